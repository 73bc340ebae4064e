/**
 * Text of a file of the project.
 *
 * @throws Error for one that was not read: whoever reads the files must be told of it
 */
export function requireText(files: Readonly<Record<string, string>>, path: string): string {
  const text = files[path];
  if (text === undefined) throw new Error(`the plan needs the text of ${path}`);
  return text;
}
