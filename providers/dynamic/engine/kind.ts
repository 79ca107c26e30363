/** What a kind of dynamic resource is: a field table and operations. Types only; the engine gives check, diff, adoption, lock, errors and state. */
import type * as pulumi from "@pulumi/pulumi";
import type { Problem } from "../../../sizing/problem";
import type { Connection, Session } from "./session";

/** Args as the provider sees them: every `Input` resolved. Previews may still hold unknowns; `check` never shows those to a kind. */
export type Resolved<Args> = { readonly [K in keyof Args]: pulumi.Unwrap<Args[K]> };

/** One argument: what a change of it does, whether it is secret, which values it takes. */
export interface Field<Value> {
  /**
   * `replace`: delete, then create. `update`: run the kind's update. `store`: only saved, no operation runs. `ignore`: nothing, and no preview
   * shows it; it counts from the next change on.
   */
  readonly onChange: "replace" | "update" | "store" | "ignore";
  /** Encrypted in state, never shown. */
  readonly secret?: true;
  /** Why the value is refused, or undefined. Called with known values only. A path within the value may be given. */
  readonly check?: (value: NonNullable<Value>) => string | readonly Problem[] | undefined;
}

/** A rule for every argument, optional ones too: an argument without a rule does not compile. */
export type Fields<Inputs> = { readonly [K in keyof Inputs]-?: Field<Inputs[K]> };

/** An object as it is at this moment. */
export interface Found<Inputs, State> {
  /** Every argument that can be seen, as it is now. Arguments that the user left out are ignored. */
  readonly inputs: Partial<Inputs>;
  /** The outputs that are not arguments. Plain JSON. */
  readonly state: State;
  /** False when a killed run left only a part of it; create then runs again instead of adopting. Default true. */
  readonly complete?: boolean;
  /** Where an argument was seen that is not the same everywhere: a node's name, told with the difference. */
  readonly where?: Readonly<Partial<Record<keyof Inputs, string>>>;
}

/** What an operation may use. */
export interface Context {
  /**
   * One line of progress, shown beside the resource; replaced by the next one. Never give it a secret. Every wait calls it in its loop.
   * @throws once the engine that asked for the work was killed, so that whoever waits stops waiting
   */
  readonly progress: (message: string) => void;
  /** A line that stays in the output of the run. Never give it a secret. */
  readonly info: (message: string) => void;
  /**
   * Said before the first change. A failure from here on is remembered in state, so that the next run calls update whatever
   * the arguments are then: a worker that is back in the map after a drain that gave up is mended. `now` are arguments that differ from
   * the old ones already, since the failed change may have gone that far.
   */
  readonly begin: (now?: Readonly<Record<string, unknown>>) => void;
  /** Runs `use` with a session on the server; at most two sessions a server are open at once. */
  readonly connect: <T>(connection: Connection, use: (session: Session) => Promise<T>) => Promise<T>;
  /**
   * The answer to a question that others may ask at the same time: during a refresh `ask` gets all that come within a few
   * milliseconds with the same `key`, and answers them in their order; else it gets this one. The key holds whatever `ask` depends on besides.
   */
  readonly together: <Question, Answer>(
    key: readonly unknown[],
    question: Question,
    ask: (questions: readonly Question[]) => Promise<readonly Answer[]>,
  ) => Promise<Answer>;
}

interface Base<Inputs, State> {
  /** Type name, the last part of the type token. Part of users' state: never changes. */
  readonly type: string;
  /** Change rule, secrecy and range of each argument. */
  readonly fields: Fields<Inputs>;
  /** Names of the outputs that are not arguments. */
  readonly outputs: readonly (keyof State & string)[];
  /** Rules across arguments; only called when every argument that it reads is known and each passed its own check. No network. */
  readonly check?: (inputs: Inputs) => readonly Problem[];
  /** The arguments that `check` reads. It is not called while a preview does not know one of them. Default: all. */
  readonly checkFrom?: readonly (keyof Inputs & string)[];
  /** The resource id: a natural key, without secrets. */
  readonly id: (inputs: Inputs) => string;
  /** The cluster whose topology lock every change takes, or undefined for kinds that touch no server. */
  readonly lock?: (inputs: Inputs) => Connection;
  /** Next step per SQLSTATE, appended to the server's message. */
  readonly hints?: Readonly<Record<string, string>>;
  /** What differs but may be mended by create instead of being refused. Default: nothing. */
  readonly mends?: readonly (keyof Inputs & string)[];
  /** Why delete leaves the object alone, as a line for the user (empty where that is nothing to tell); undefined where it removes it. Keeping opens no connection. */
  readonly keeps?: (inputs: Inputs) => string | undefined;
  /** The arguments that `forecast` reads. It is not called while a preview does not know one of them. Default: all. */
  readonly forecastFrom?: readonly (keyof Inputs & string)[];
  /** Called by diff when something changes; lines are shown in the preview. Pure. */
  readonly forecast?: (old: Inputs & State, inputs: Inputs) => readonly string[];
  /** The object as it is, or undefined when there is none. */
  readonly read: (inputs: Inputs, context: Context, state?: State) => Promise<Found<Inputs, State> | undefined>;
  /**
   * Makes the object or finishes a half-made one. Never runs when an equal one exists.
   * May hand over the state; without it the engine reads the object back.
   */
  readonly create: (inputs: Inputs, context: Context) => Promise<State | undefined>;
  /** Removes the object; done when it is gone already. Not called where `keeps` says why. */
  readonly delete: (inputs: Inputs, context: Context, state: State) => Promise<void>;
}

/** A kind of dynamic resource. Without an `update` operation no field may say `update`. */
export type Kind<Inputs, State> =
  | (Base<Inputs, State> & {
      readonly update: (inputs: Inputs, context: Context, old: Inputs & State) => Promise<State | undefined>;
    })
  | (Base<Inputs, State> & {
      readonly update?: undefined;
      readonly fields: {
        readonly [K in keyof Inputs]-?: Field<Inputs[K]> & { readonly onChange: "replace" | "store" | "ignore" };
      };
    });
