/**
 * Loaded before each command (`node --import`): an error that nobody catches ends in
 * its message. Only what must be a mistake of ours, like a TypeError, shows its stack.
 */
process.on("uncaughtException", (error) => {
  const isOurs = !(error instanceof Error) || error.constructor !== Error;
  console.error(isOurs ? error : `error: ${error.message}`);
  process.exit(1);
});
