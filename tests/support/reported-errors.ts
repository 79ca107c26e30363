/** Errors that a program under test threw: the run of the engine reports them, and the SDK leaves a second rejection unhandled. */
export const reportedErrors = new WeakSet();
