/**
 * Makes a function that removes a key from foreign text, JSON or not: the key itself, also where JSON escapes hide it;
 * the shape `sk-abc***xyz` in which gateways echo it; and in short texts, such as error bodies, every part of it of
 * eight characters or more. Long texts are outputs and logs, in which such a part is more likely to be a coincidence.
 * JSON stays JSON.
 */
export function createRedactor(key: string): (text: string) => string {
  const spellings = [...new Set([key, JSON.stringify(key).slice(1, -1), encodeURIComponent(key)])]
  // The bound keeps a text that begins like an echo again and again from taking the square of its length.
  const echo = new RegExp(`(?<![\\w-])(?:sk-|${RegExp.escape(key.slice(0, 3))})[\\w.-]{0,64}\\*{3,}[\\w.*-]*`, 'g')
  const parts = new Set<string>()
  for (let i = 0; i + PART <= key.length; i++) parts.add(key.slice(i, i + PART))

  const withoutKey = (text: string) => spellings.reduce((clean, spelling) => clean.replaceAll(spelling, '***'), text)

  return (text) => {
    let clean = withoutKey(text)
    if (ESCAPED_ASCII.test(clean)) clean = withoutKey(withoutEscapes(clean))
    if (clean.includes('***')) clean = clean.replace(echo, '***')
    if (clean.length <= SHORT) clean = withoutParts(clean, parts)
    return clean
  }
}

const PART = 8
const SHORT = 4096
/** An escape for a character that needs none: nobody's serialiser writes it unless to hide something. */
const ESCAPED_ASCII = /\\u00[2-7][0-9a-f]|\\\//i

function withoutEscapes(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text))
  } catch {
    return text
  }
}

function withoutParts(text: string, parts: ReadonlySet<string>): string {
  let clean = ''
  for (let at = 0; at < text.length; ) {
    let end = at
    for (let next = at; parts.has(text.slice(next, next + PART)); next++) end = next + PART
    clean += end > at ? '***' : text[at]
    at = Math.max(end, at + 1)
  }
  return clean
}
