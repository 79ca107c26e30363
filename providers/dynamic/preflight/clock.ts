/** A host's clock beside this machine's: how far they may be apart before certificates fail. Pure. */

// A certificate is used within seconds of its issue, and is not valid before it: a host that is behind refuses its peers.
const mostSecondsBehind = 5;
// Ends come early there by as much; a clock this wrong is not kept by anybody, and may jump back.
const mostSecondsAhead = 300;

/**
 * How far a clock is ahead of this machine's; negative when it is behind. Unit: seconds.
 * It was read, in whole seconds, at some moment between `from` and `to` of our own clock, in milliseconds; within these nobody can tell.
 */
export function clockSkewSeconds(seconds: number, from: number, to: number): number {
  const ahead = seconds - to / 1_000;
  const behind = from / 1_000 - (seconds + 1);
  return ahead > 0 ? Math.floor(ahead) : behind > 0 ? 0 - Math.floor(behind) : 0;
}

/** Why nodes cannot live with that skew, with the next step. */
export function clockProblems(skewSeconds: number): readonly string[] {
  const next = "; synchronise both (timedatectl set-ntp true)";
  if (-skewSeconds > mostSecondsBehind)
    return [
      `its clock is ${String(-skewSeconds)} s behind the clock of this machine, so that certificates issued here are not yet valid there${next}`,
    ];
  if (skewSeconds > mostSecondsAhead)
    return [
      `its clock is ${String(skewSeconds)} s ahead of the clock of this machine, so that certificates end early there${next}`,
    ];
  return [];
}
