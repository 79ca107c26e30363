/** Questions of one sort that come within a few milliseconds are asked as one: a refresh reads many resources side by side. */
import { setTimeout as delay } from "node:timers/promises";
import { SqlError } from "./errors";

// Long enough for what Pulumi's engine asks at the same time, short beside one round trip over a network.
const waitMilliseconds = 5;

// All of them share the time that one statement has.
const mostQuestions = 50;

interface Batch {
  readonly questions: unknown[];
  /** In the order of the questions. */
  readonly answers: Promise<readonly unknown[]>;
}

const open = new Map<string, Batch>();
// One at a time per key: what comes meanwhile gathers, so that questions do not spread over ever smaller statements.
const asking = new Map<string, Promise<unknown>>();

/**
 * The answer to one of several questions that `ask` answers together, in their order. `key` says which may be asked together: everything that
 * `ask` depends on but the question, for all who ask. Where they cannot be answered together, each is asked alone, so that an error is told to its
 * own asker; where no server answers, everybody is told at once.
 * @throws what `ask` throws for this question alone
 */
export async function together<Question, Answer>(
  key: string,
  question: Question,
  ask: (questions: readonly Question[]) => Promise<readonly Answer[]>,
): Promise<Answer> {
  const batch = open.get(key) ?? opened(key, (questions) => ask(questions as readonly Question[]));
  const index = batch.questions.push(question) - 1;
  if (batch.questions.length === mostQuestions) open.delete(key);
  const answers = (await batch.answers.catch((error: unknown) => {
    const isUnanswered = error instanceof SqlError && error.code === undefined;
    if (batch.questions.length === 1 || isUnanswered) throw error;
    return undefined;
  })) as readonly Answer[] | undefined;
  return answers === undefined ? await alone(question, ask) : (answers[index] as Answer);
}

/** The answer to this question without waiting for others. @throws what `ask` throws */
export async function alone<Question, Answer>(
  question: Question,
  ask: (questions: readonly Question[]) => Promise<readonly Answer[]>,
): Promise<Answer> {
  const [answer] = await ask([question]);
  return answer as Answer;
}

function opened(key: string, ask: (questions: readonly unknown[]) => Promise<readonly unknown[]>): Batch {
  const questions: unknown[] = [];
  const answers = (asking.get(key) ?? Promise.resolve()).then(async () => {
    await delay(waitMilliseconds);
    if (open.get(key)?.questions === questions) open.delete(key);
    return await ask(questions);
  });
  const done = answers
    .catch(() => undefined)
    .then(() => {
      if (asking.get(key) === done) asking.delete(key);
    });
  asking.set(key, done);
  const batch = { questions, answers };
  open.set(key, batch);
  return batch;
}
