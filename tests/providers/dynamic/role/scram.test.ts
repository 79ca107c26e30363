/** SCRAM verifiers: the RFC's own example, what fits, which passwords are accepted. */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import {
  fits,
  iterationsOf,
  iterationsProblem,
  makeVerifier,
  mostIterations,
  passwordProblem,
  verifierProblem,
} from "../../../../providers/dynamic/role/scram";

// RFC 7677 §3: user "user", password "pencil"; its server signature follows from this server key.
const rfcSalt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
const rfcVerifier =
  "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

describe("makeVerifier", () => {
  it("gives the verifier of the RFC's example", async () =>
    assert.equal(await makeVerifier("pencil", 4096, rfcSalt), rfcVerifier));

  it("takes another salt each time, so that equal passwords do not show", async () =>
    assert.notEqual(await makeVerifier("pencil"), await makeVerifier("pencil")));
});

describe("fits", () => {
  it("holds for the password of a verifier, whatever its salt and iterations, and for no other", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ minLength: 1 }),
        fc.string({ minLength: 1 }),
        fc.integer({ min: 1, max: 50 }),
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        async (password, other, iterations, salt) => {
          const verifier = await makeVerifier(password, iterations, Buffer.from(salt));
          assert.equal(iterationsOf(verifier), iterations);
          assert.ok(await fits(password, verifier));
          assert.equal(await fits(other, verifier), other === password);
        },
      ),
      { numRuns: 50 },
    );
  });

  for (const [why, verifier] of [
    ["an md5 hash", "md53175bce1d3201d16594cebf9d7eb3f9d"],
    ["no hash", "pencil"],
    ["nothing", ""],
    ["so many iterations that we would be busy for minutes", rfcVerifier.replace("4096", String(mostIterations + 1))],
    ["keys of another password", rfcVerifier.replace("$WG5d", "$XG5d")],
  ] as const)
    it(`is false for ${why}`, async () => assert.equal(await fits("pencil", verifier), false));
});

describe("passwordProblem", () => {
  const accepted: readonly (readonly [string, string])[] = [
    ["signs that mean something elsewhere", "pa:ss\\wo'rd\"%@ # $$; DROP TABLE t; --"],
    ["a leading # and *, and a trailing blank", "#* x "],
    ["1500 characters", "x".repeat(1500)],
    ["letters of other scripts, composed", "pässwörd 密码 пароль"],
    ["an emoji", "😀"],
    ["one character", "x"],
    ["a tab", "a\tb"],
  ];
  for (const [why, password] of accepted)
    it(`accepts ${why}`, () => assert.equal(passwordProblem(password), undefined));

  const refused: readonly (readonly [string, string, RegExp])[] = [
    ["an empty one", "", /^must not be empty/],
    ["blanks", "  \t", /^must not be empty or blanks only/],
    ["a line break", "secret\nx", /line breaks/],
    ["a carriage return at its end", "secret\r", /line breaks/],
    ["NUL", "secret\0", /NUL/],
    ["a lone surrogate", "secret\ud800", /lone surrogate/],
    ["an md5 hash", `md5${"0".repeat(32)}`, /^looks like a hash.*`verifier`/],
    ["a verifier", rfcVerifier, /^looks like a hash/],
    ["4097 bytes", "x".repeat(4097), /^has 4097 bytes, more than 4096$/],
    ["2049 letters of two bytes", "é".repeat(2049), /^has 4098 bytes/],
    ["a letter that is not composed", "e\u0301secret", /NFKC/],
    ["a ligature", "ﬁsecret", /NFKC/],
    ["a soft hyphen", "secret\u00ad", /NFKC/],
    ["a zero-width space", "secret\u200b", /NFKC/],
    ["a non-breaking space", "secret\u00a0x", /NFKC/],
    ["an Ogham space", "secret\u1680x", /NFKC/],
  ];
  for (const [why, password, message] of refused)
    it(`refuses ${why}, without showing it`, () => {
      const problem = passwordProblem(password) ?? assert.fail("it was accepted");
      assert.match(problem, message);
      assert.ok(!problem.includes("secret"));
    });
});

describe("verifierProblem", () => {
  it("accepts a verifier", () => assert.equal(verifierProblem(rfcVerifier), undefined));
  for (const [why, verifier, message] of [
    ["a password", "pencil", /^is no SCRAM-SHA-256 verifier/],
    ["an md5 hash", `md5${"0".repeat(32)}`, /^is no SCRAM/],
    ["a cut verifier", rfcVerifier.slice(0, -3), /^is no SCRAM/],
    ["two lines", `${rfcVerifier}\n`, /^is no SCRAM/],
    ["a quote", `${rfcVerifier}'`, /^is no SCRAM/],
    ["too few iterations", rfcVerifier.replace("4096", "1000"), /from 4096 to 100000 iterations, got 1000$/],
  ] as const)
    it(`refuses ${why}, without showing it`, () => {
      const problem = verifierProblem(verifier) ?? assert.fail("it was accepted");
      assert.match(problem, message);
      assert.ok(!problem.includes("pencil") && !problem.includes("W22Za"));
    });
});

describe("iterationsProblem", () => {
  for (const good of [4_096, 100_000]) it(`accepts ${good}`, () => assert.equal(iterationsProblem(good), undefined));
  for (const bad of [0, -1, 4_095, 100_001, 4096.5, Number.NaN])
    it(`refuses ${bad}`, () => assert.match(iterationsProblem(bad) ?? "", /whole number from 4096 to 100000/));
});
