/** The summary and the log of a job as pages with the look that GitHub gives them. */
import { marked } from 'marked'
import type { RunResult } from '../test/support/run-action.ts'

/** GitHub's colors, sizes and fonts: those of its Markdown and of the box around a summary. */
const STYLE = `
:root{color-scheme:light dark}
body{font:14px/1.5 -apple-system,BlinkMacSystemFont,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif,"Apple Color Emoji","Segoe UI Emoji";color:light-dark(#1f2328,#f0f6fc);width:1232px;margin:32px auto}
section{background:light-dark(#fff,#0d1117);border:1px solid light-dark(#d1d9e0,#3d444d);border-radius:6px}
header{font-weight:600;padding:16px;display:flex;align-items:center;justify-content:space-between}
header svg{fill:light-dark(#59636e,#9198a1)}
footer{font-size:12px;color:light-dark(#59636e,#9198a1);padding:16px}
article{font-size:16px;padding:8px 32px 16px;overflow-wrap:break-word}
article>*{margin:0 0 16px}
h3{font-size:1.25em;font-weight:600;line-height:1.25}
a{color:light-dark(#0969da,#4493f8)}
ul{padding-left:2em}
img{vertical-align:middle}
table{border-collapse:collapse;display:block;width:max-content;max-width:100%;overflow:auto}
td,th{border:1px solid light-dark(#d1d9e0,#3d444d);padding:6px 13px}
th{font-weight:600}
tr{border-top:1px solid light-dark(#d1d9e0b3,#3d444db3)}
tr:nth-child(2n){background:light-dark(#f6f8fa,#151b23)}
blockquote{border-left:.25em solid light-dark(#d1d9e0,#3d444d);color:light-dark(#59636e,#9198a1);padding:0 1em}
blockquote>*{margin:0}
blockquote.caution,blockquote.warning{color:inherit;padding:8px 16px}
.caution{border-color:light-dark(#cf222e,#da3633)}.caution .kind{color:light-dark(#d1242f,#f85149)}
.warning{border-color:light-dark(#9a6700,#9e6a03)}.warning .kind{color:light-dark(#9a6700,#d29922)}
.kind{font-weight:500;margin-bottom:8px}
code,pre{font-family:ui-monospace,SFMono-Regular,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace;font-size:85%;background:light-dark(#818b981f,#656c7633);border-radius:6px}
code{padding:.2em .4em;white-space:break-spaces}
pre{padding:16px;overflow:auto;line-height:1.45;background:light-dark(#f6f8fa,#151b23)}`

/**
 * @param pictures what stands in place of the pictures at their addresses, which lead nowhere later: by name without the
 *   type, or the first for every other name
 * @param scheme the colors; the reader's choice unless given
 */
export function summaryPage(
  run: RunResult,
  pictures: ReadonlyMap<string, Buffer>,
  scheme: 'light' | 'dark' | 'light dark' = 'light dark',
) {
  const [first] = pictures.values()
  const shown = run.summary.replaceAll(
    /(<img [^>]*?src=)"[^"]*?([^/"]*)\.webp"/g,
    (_, tag: string, name: string) =>
      `${tag}"data:image/webp;base64,${(pictures.get(name) ?? first)?.toString('base64')}"`,
  )
  return `<!doctype html>
<html lang="en" style="color-scheme:${scheme}">
<meta charset="utf-8"><title>Summary</title><style>${STYLE}</style>
<body><section><header>picture summary<svg width="16" height="16"><circle cx="3" cy="8" r="1.5"/><circle cx="8" cy="8" r="1.5"/><circle cx="13" cy="8" r="1.5"/></svg></header>
<article>${withAlerts(marked.parse(shown, { async: false, gfm: true }))}</article>
<footer>Job summary generated at run-time</footer></section></body></html>
`
}

/** GitHub's alerts, which marked does not know. */
const withAlerts = (html: string): string =>
  html.replaceAll(/<blockquote>\s*<p>\[!(CAUTION|WARNING)\]\s*/g, (_, kind: string) => {
    const name = `${kind[0]}${kind.slice(1).toLowerCase()}`
    return `<blockquote class="${kind.toLowerCase()}"><p class="kind">${name}</p><p>`
  })

/** GitHub shows a log on a dark ground in either scheme, with its groups closed. */
export function logPage(run: RunResult, scheme: 'light' | 'dark'): string {
  const encoded = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  const rows = run.headlines
    .filter((line) => line.trim() !== '')
    .map((line, i) => `<tr><td>${i + 1}</td><td>${encoded(line)}</td></tr>`)
  const [ground, text, number] =
    scheme === 'light' ? ['#24292f', '#f6f8fa', '#8c959f'] : ['#010409', '#f0f6fc', '#9198a1']
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Log</title>
<style>body{width:1232px;margin:32px auto}table{background:${ground};color:${text};border-radius:6px;padding:12px;width:100%;font:12px/20px ui-monospace,"DejaVu Sans Mono",monospace}
td{white-space:pre-wrap;overflow-wrap:anywhere}td:first-child{color:${number};text-align:right;width:40px;padding-right:12px;vertical-align:top}</style>
<body><table>${rows.join('\n')}</table></body></html>
`
}
