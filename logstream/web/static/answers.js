// What the server answers to a question about a log.

export const PATIENCE = 15_000; // milliseconds that an answer may take

/**
 * The JSON that a server answers with.
 *
 * @param {string} address without a query
 * @param {Record<string, string>} options the query's
 * @returns {Promise<any>}
 * @throws {Error} with a sentence for the reader
 */
export async function answerOf(address, options) {
  let answer;
  try {
    answer = await fetch(`${address}?${new URLSearchParams(options)}`, {
      cache: "no-store",
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (answer.ok) return await answer.json();
  } catch {
    throw new Error("The server does not answer.");
  }
  const text = answer.headers.get("Content-Type")?.startsWith("text/plain") ? (await answer.text()).trim() : "";
  throw new Error(text || `The server answers with an error (${answer.status}).`);
}

/** What is said of something that has failed. @param {unknown} error @returns {string} */
export function sentenceOf(error) {
  return error instanceof Error ? error.message : `${error}`;
}
