/** What a server and a link say about a file; its content decides if it is one of the known formats. */
export interface Claim {
  /** The content type in lower case, without parameters; `""` if there is none. */
  type: string
  /** Names of the file, the most reliable first. Only their extensions are used. */
  names: readonly string[]
}

/** MIME types and the extensions of their files. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  'application/dash+xml': 'mpd',
  'application/gzip': 'gz',
  'application/json': 'json',
  'application/pdf': 'pdf',
  'application/vnd.apple.mpegurl': 'm3u8',
  'application/x-gzip': 'gz',
  'application/x-mpegurl': 'm3u8',
  'application/x-tar': 'tar',
  'application/zip': 'zip',
  'audio/flac': 'flac',
  'audio/midi': 'mid',
  'audio/mp4': 'm4a',
  'audio/mpeg': 'mp3',
  'audio/mpegurl': 'm3u8',
  'audio/ogg': 'ogg',
  'audio/wav': 'wav',
  'audio/wave': 'wav',
  'audio/x-flac': 'flac',
  'audio/x-mpegurl': 'm3u8',
  'audio/x-wav': 'wav',
  'image/bmp': 'bmp',
  'image/jpeg': 'jpg',
  'image/jpg': 'jpg',
  'image/svg+xml': 'svg',
  'image/tiff': 'tif',
  'image/vnd.adobe.photoshop': 'psd',
  'image/vnd.radiance': 'hdr',
  'image/x-exr': 'exr',
  'image/x-portable-bitmap': 'pbm',
  'image/x-portable-graymap': 'pgm',
  'image/x-portable-pixmap': 'ppm',
  'image/x-targa': 'tga',
  'image/x-tga': 'tga',
  'model/gltf-binary': 'glb',
  'model/gltf+json': 'gltf',
  'model/obj': 'obj',
  'model/stl': 'stl',
  'text/csv': 'csv',
  'text/html': 'html',
  'text/markdown': 'md',
  'text/vtt': 'vtt',
  'video/mp2t': 'ts',
  'video/mp4': 'mp4',
  'video/quicktime': 'mov',
  'video/webm': 'webm',
  'video/x-matroska': 'mkv',
  'video/x-msvideo': 'avi',
}
/** The other way round; of several types of one extension the first. */
const TYPES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Object.entries(EXTENSIONS)
      .reverse()
      .map(([type, extension]) => [extension, type]),
  ),
  txt: 'text/plain',
}

/** Names that say more than the type of the container that a file is: `.gltf` is JSON, `.pth` is a zip. */
const REFINEMENTS: Readonly<Record<string, readonly string[]>> = {
  gz: ['svgz', 'tgz'],
  json: ['geojson', 'gltf', 'ipynb', 'jsonl', 'jsonld', 'lottie', 'ndjson'],
  zip: ['3mf', 'cbz', 'ckpt', 'epub', 'kmz', 'npz', 'pt', 'pth', 'usdz', 'whl'],
}
/** What is inside a compressed file, according to its name: `.tar.gz`. */
const COMPRESSED = /\.(?<whole>(?:csv|json|jsonl|nii|tar|txt|xml)\.(?:bz2|gz|xz|zst))$/i
const EXTENSION = /\.(?<last>(?=\d*[a-z])[a-z0-9]{1,16})$/i

/** The extension of a name in lower case, without the dot, up to 16 letters and digits, `tar.gz` whole; undefined if it has none. */
export const extensionOf = (name: string): string | undefined =>
  (COMPRESSED.exec(name)?.groups?.whole ?? EXTENSION.exec(name)?.groups?.last)?.toLowerCase()

/** A name without its extension: `a` of `a.tar.gz`. */
export function stemOf(name: string): string {
  const extension = extensionOf(name)
  return extension === undefined ? name : name.slice(0, -extension.length - 1)
}

/** A name with a suffix before its extension: `a-2.tar.gz`. */
export function withSuffix(name: string, suffix: string): string {
  const stem = stemOf(name)
  return `${stem}${suffix}${name.slice(stem.length)}`
}

/** The extension that the names claim. */
function namedExtension({ names }: Claim): string | undefined {
  for (const name of names) {
    const extension = extensionOf(name)
    if (extension !== undefined) return extension
  }
  return undefined
}

/** The most specific extension of a file that already has one: `tar.gz` instead of `gz`. */
export function refined(extension: string, claim: Claim): string {
  const named = namedExtension(claim)
  if (named === undefined) return extension
  const more = named.endsWith(`.${extension}`) || REFINEMENTS[extension]?.includes(named)
  return more ? named : extension
}

/** Type and extension of a file whose content is not recognized. */
export function byClaim(claim: Claim, isText: boolean): { type: string; extension: string } {
  const { type } = claim
  const byType = EXTENSIONS[type]
  if (byType !== undefined) return { type, extension: refined(byType, claim) }
  const named = namedExtension(claim)
  const says = type !== '' && !/^(?:application|binary)\/octet-stream$/.test(type)
  return {
    type: says ? type : (TYPES[named ?? ''] ?? (type || 'application/octet-stream')),
    extension: named ?? ofSubtype(type) ?? (isText && type.startsWith('text/') ? 'txt' : 'bin'),
  }
}

/** `exr` of `image/x-exr`, of pictures, videos and sounds that have no other extension. */
const ofSubtype = (type: string): string | undefined =>
  /^(?:image|video|audio)\/(?:x-|vnd\.)?(?<subtype>[a-z0-9]{1,16})$/.exec(type)?.groups?.subtype

const MEDIA_TYPE = /^(?:image\/(?!svg)|video\/|audio\/)/
/** Playlists and subtitles are text, whatever their type says. */
const TEXT_TYPE = /mpegurl|\bsvg|x-(?:scpls|xpixmap|xbitmap)/
const BINARY_EXTENSIONS: ReadonlySet<string> = new Set(
  [
    'aac aif aiff avi avif bmp caf exr flac gif hdr heic heif jpeg jpg jxl m4a m4v mkv mov mp3 mp4 mpeg mpg oga ogg ogv',
    'opus png psd tga tif tiff wav weba webm webp wma wmv',
    '3mf 7z blend ckpt fbx glb gz npy npz onnx pdf pt pth rar safetensors tar.gz tgz usdz zip',
  ].flatMap((line) => line.split(' ')),
)

/** What says that a file is a picture, a video, a sound or something else that is never text; undefined if nothing does. */
export function binaryClaim(claim: Claim): string | undefined {
  if (MEDIA_TYPE.test(claim.type) && !TEXT_TYPE.test(claim.type)) return claim.type
  const named = namedExtension(claim) ?? ''
  return BINARY_EXTENSIONS.has(named) ? named : undefined
}

export const WEB_PAGE_TYPES: ReadonlySet<string> = new Set(['text/html', 'application/xhtml+xml'])

/** Formats that are text, but neither a web page nor JSON. */
const TEXT_EXTENSIONS: ReadonlySet<string> = new Set(
  'ass bvh csv dae dxf lrc m3u8 mpd mtl obj ply srt step stl stp svg tsv usda vtt'.split(' '),
)
const SUBSTITUTE_TYPES: Readonly<Record<'page' | 'object', ReadonlySet<string>>> = {
  page: WEB_PAGE_TYPES,
  object: new Set(['application/json', 'application/problem+json']),
}

/**
 * The extension of a text file in whose place a server sent something else. Undefined if the content type does not say
 * so, or if a file with this extension can be just that, such as `.php` a web page.
 */
export function extensionInsteadOf(substitute: 'page' | 'object', claim: Claim): string | undefined {
  const named = namedExtension(claim)
  if (named === undefined || !SUBSTITUTE_TYPES[substitute].has(claim.type)) return undefined
  if (TEXT_EXTENSIONS.has(named)) return named
  const isNeverPage = named === 'txt' || named === 'json' || REFINEMENTS.json?.includes(named)
  return substitute === 'page' && isNeverPage ? named : undefined
}

/** Longest header or parameter that is read for a name. */
const LONGEST_NAME = 4096

/**
 * The names of a file: in `Content-Disposition`, in `filename=` of the query, at the end of the path; of the link, then
 * of the address that it was redirected to.
 */
export function namesOf(disposition: string | undefined, urls: readonly URL[]): string[] {
  const given = disposition === undefined ? undefined : dispositionName(disposition.slice(0, LONGEST_NAME))
  const ofUrls = urls.flatMap((url) => [url.searchParams.get('filename') ?? '', decoded(url.pathname)])
  return [given ?? '', ...ofUrls].filter((name) => name !== '')
}

/** `filename*=UTF-8''a%20b.tar.gz` (RFC 8187), `filename="a.png"` or `filename=a.png` (RFC 6266). */
function dispositionName(header: string): string | undefined {
  const extended = /(?:^|;)\s*filename\*\s*=\s*[\w-]*'[^']*'(?<name>[^;\s]+)/i.exec(header)?.groups?.name
  if (extended !== undefined) return decoded(extended)
  const plain = /(?:^|;)\s*filename\s*=\s*(?:"(?<quoted>[^"]*)"|(?<bare>[^;\s]+))/i.exec(header)?.groups
  return plain?.quoted ?? plain?.bare
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
