/** How many bytes of the bundles come from which package, by their source maps. */
import { SourceMap, type SourceMapPayload } from 'node:module'

/** The package folder of a source, such as `node_modules/@actions/core`; undefined for what is not of a package. */
export function packageOf(source: string): string | undefined {
  const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(source)?.[0]
  return folder?.slice(folder.indexOf('node_modules/'))
}

/** Adds to the bytes of each package those of a bundle. What is of no package counts under the empty name. */
export function addSizes(sizes: Map<string, number>, code: string, map: SourceMapPayload): void {
  const sourceMap = new SourceMap(map)
  for (const [row, line] of code.split('\n').entries()) {
    for (let column = 0; column < line.length; column++) {
      const entry = sourceMap.findEntry(row, column)
      const name = ('originalSource' in entry && packageOf(entry.originalSource)) || ''
      sizes.set(name, (sizes.get(name) ?? 0) + Buffer.byteLength(line.charAt(column)))
    }
  }
}
