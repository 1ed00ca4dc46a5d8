declare module '@vercel/ncc' {
  /** The part of ncc's programmatic interface that the build uses: its package has no types. */
  export default function ncc(
    input: string,
    options: { cache: false; minify: boolean; quiet: boolean; sourceMap: boolean; sourceMapRegister: boolean },
  ): Promise<{ code: string; map?: string; assets: Record<string, { source: string | Buffer }> }>
}
