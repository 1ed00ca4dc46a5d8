declare module '@vercel/ncc' {
  export interface WebpackModule {
    nameForCondition?: string
    /** The modules that were put together into this one. */
    modules?: WebpackModule[]
  }

  export interface Bundle {
    code: string
    map?: string
    assets: Record<string, { source: string | Buffer }>
    stats: { toJson(options: Record<string, unknown>): { modules?: WebpackModule[] } }
  }

  /** The part of ncc's programmatic interface that is used here: its package has no types. */
  export default function ncc(
    input: string,
    options: {
      cache: false
      minify: boolean
      quiet: boolean
      sourceMap: boolean
      sourceMapRegister: boolean
    },
  ): Promise<Bundle>
}
