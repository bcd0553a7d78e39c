"""How Alipay's pages look."""

from __future__ import annotations

CSS = """
* { box-sizing: border-box; }
body { margin: 0; background: #ededed; color: #191919; line-height: 1.6;
  font-family: -apple-system, "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; }
main { max-width: 26rem; margin: 0 auto; padding: 1.5rem 1.25rem 2rem; background: #fff; min-height: 70vh; }
h1 { font-size: 1.0625rem; font-weight: 600; text-align: center; margin: 0 0 1.5rem; }
main.good h1 { color: #0b57c4; }
main.good h1::before { content: "✓"; display: block; width: 3.5rem; height: 3.5rem; line-height: 3.5rem;
  margin: 0 auto .75rem; border-radius: 50%; background: #1677ff; color: #fff; font-size: 1.75rem; }
.who { text-align: center; margin: 0; color: #5c5c5c; }
.amount { text-align: center; font-size: 2.5rem; font-weight: 600; margin: 0 0 1rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .5rem 1rem; margin: 0; padding: .75rem 0;
  border-top: 1px solid #e5e5e5; }
dt { color: #5c5c5c; } dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
fieldset { border: 0; border-top: 1px solid #e5e5e5; margin: 0 0 1.5rem; padding: .75rem 0; }
legend { color: #5c5c5c; padding: 0; float: left; width: 100%; }
label { display: flex; gap: .75rem; align-items: center; clear: both; min-height: 2.75rem; }
input { width: 1.25rem; height: 1.25rem; accent-color: #1677ff; }
button { display: block; width: 100%; min-height: 3rem; border: 0; border-radius: .5rem; font: inherit;
  font-weight: 600; color: #fff; background: #0d5fd6; }
button:focus-visible, a:focus-visible, input:focus-visible { outline: 3px solid #191919; outline-offset: 2px; }
ul { list-style: none; margin: 0; padding: 0; }
li a { display: flex; justify-content: space-between; gap: 1rem; padding: .75rem 0; color: inherit;
  border-bottom: 1px solid #e5e5e5; }
.back { text-align: center; } .back a { color: #0d5fd6; display: inline-block; padding: .75rem; }
footer { text-align: center; color: #5c5c5c; font-size: .8125rem; padding: 1rem; }
"""
