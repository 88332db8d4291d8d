extension APIPage {
    static let style = """
        :root {
          color-scheme: light dark;
          --ground: #fff; --raised: #f5f6f8; --line: #dfe2e8; --text: #1c2430; --quiet: #596273; --link: #0b57c2;
          --get: #0b6bcb; --post: #1a7f37; --put: #9a5b00; --delete: #c0262d;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --ground: #12161d; --raised: #1b212b; --line: #303947; --text: #e4e8ef; --quiet: #a0aaba; --link: #7db4ff;
            --get: #6cb0ff; --post: #5fce80; --put: #f0b450; --delete: #ff8a8f;
          }
        }
        * { box-sizing: border-box; }
        html { scroll-padding-top: 1rem; }
        body {
          margin: 0 auto; max-width: 84rem; padding: 0 1.25rem 4rem; background: var(--ground); color: var(--text);
          font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: break-word;
        }
        header { padding: 2rem 0 1rem; border-bottom: 1px solid var(--line); }
        h1 { margin: 0; font-size: 1.9rem; }
        h1 small { color: var(--quiet); font-weight: 400; font-size: 1rem; }
        h2 { margin: 2.5rem 0 .5rem; font-size: 1.45rem; }
        h3 { margin: 1.5rem 0 .25rem; font-size: 1.1rem; }
        h4 { margin: 1rem 0 .25rem; color: var(--quiet); font-size: .85rem; }
        p { margin: .4rem 0 .8rem; max-width: 46rem; }
        a { color: var(--link); text-decoration: none; }
        a:hover, a:focus-visible { text-decoration: underline; }
        h3 a { color: inherit; }
        code, pre { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: .86rem; }
        pre {
          margin: .25rem 0 .5rem; padding: .7rem .9rem; overflow-x: auto; background: var(--raised);
          border: 1px solid var(--line); border-radius: .4rem;
        }
        pre.answer { color: var(--quiet); white-space: pre-wrap; }
        nav { padding: .75rem 0; font-size: .92rem; }
        nav ul { margin: .2rem 0 .6rem; padding: 0; list-style: none; }
        nav li { padding: .1rem 0; }
        nav li a { display: flex; }
        nav .method { flex: none; align-self: baseline; }
        summary { cursor: pointer; color: var(--quiet); font-size: .85rem; font-weight: 600; }
        article { padding: .25rem 0 1rem; border-bottom: 1px solid var(--line); }
        article:target h3 a { color: var(--link); }
        .route { max-width: none; }
        .method { display: inline-block; min-width: 3.4rem; font: 700 .75rem ui-monospace, monospace; }
        .get { color: var(--get); }
        .post { color: var(--post); }
        .put { color: var(--put); }
        .delete { color: var(--delete); }
        .access {
          margin-left: .4rem; padding: .1rem .5rem; border: 1px solid var(--line); border-radius: 1rem;
          color: var(--quiet); font-size: .78rem; white-space: nowrap;
        }
        table { width: 100%; margin: .25rem 0 .5rem; border-collapse: collapse; font-size: .9rem; }
        th { padding: .2rem .8rem .2rem 0; color: var(--quiet); font-weight: 600; text-align: left; }
        td { padding: .3rem .8rem .3rem 0; border-top: 1px solid var(--line); vertical-align: top; }
        td:last-child { width: 52%; }
        @media (min-width: 62rem) {
          body { display: grid; grid-template-columns: 17rem minmax(0, 1fr); column-gap: 2.5rem; }
          header { grid-column: 1 / -1; }
          nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto; padding-top: 1.5rem; }
        }
        @media (max-width: 40rem) {
          thead { display: none; }
          tr { display: block; padding: .4rem 0; border-top: 1px solid var(--line); }
          td { display: inline-block; padding: .05rem .8rem .05rem 0; border: 0; }
          td:last-child { display: block; width: auto; padding: .05rem 0; }
        }

        """
}
