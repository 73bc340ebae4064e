/** Asks for text at the terminal without showing it. @throws Error when there is no terminal */
export async function askHidden(
  question: string,
  alternative: string,
  wanted = "passphrase",
): Promise<string> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY) {
    throw new Error(`there is no terminal to ask for the ${wanted}; set it: ${alternative}`);
  }
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.resume();
  stdin.setEncoding("utf8");
  try {
    return await new Promise<string>((resolve, reject) => {
      let text = "";
      const take = (input: string): void => {
        for (const character of input) {
          if (character === "\r" || character === "\n") {
            stdin.off("data", take);
            resolve(text);
            return;
          }
          if (character === "\u0003" || character === "\u0004") {
            stdin.off("data", take);
            reject(new Error(`no ${wanted} was given; try again`));
            return;
          }
          text =
            character === "\u007f" || character === "\b" ? text.slice(0, -1) : text + character;
        }
      };
      stdin.on("data", take);
    });
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write("\n");
  }
}
