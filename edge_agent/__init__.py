"""The gateway agent: reads sensors, keeps what it acknowledged, and anchors it in signed batches.

    source ─► map ─► drop repeats ─► spool ─► sync ─► acknowledge ─► batch ─► sign ─► node ─► archive

`core/` decides (pure), `adapters/` touch the world, `agent/` joins them. The public entry points are
in `edge_agent.agent`: `run`, `run_until_signal`, `check`, `try_message`.
"""
