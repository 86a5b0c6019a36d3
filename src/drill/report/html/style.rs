//! The page's style sheet: screen first, then A4.

/// Everything but what plots need.
pub(super) const STYLE: &str = r#"
:root{--ink:#1a1f24;--soft:#4a545c;--line:#c3cacf;--drill:#b03a00;--paper:#fff}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:#eef1f3;color:var(--ink);font:16px/1.65 "Noto Sans CJK JP","Noto Sans JP","Hiragino Sans","Yu Gothic","Meiryo",sans-serif}
main{word-break:auto-phrase;max-width:1000px;margin:0 auto;padding:28px 40px 60px;background:var(--paper)}
.pick{position:absolute;opacity:0;width:1px;height:1px}
#ja:checked~main [lang=en],#en:checked~main [lang=ja]{display:none}
.top{position:sticky;top:0;z-index:9;display:flex;gap:16px;align-items:center;justify-content:space-between;padding:8px max(20px,calc(50vw - 460px));background:var(--drill);color:#fff}
.top strong{font-size:18px;letter-spacing:.12em}
.top nav{display:flex}
.top label{padding:3px 16px;border:1.5px solid #fff;cursor:pointer;font-weight:700}
.top label:first-child{border-radius:5px 0 0 5px}.top label:last-child{border-radius:0 5px 5px 0;border-left:0}
#ja:checked~.top label[for=ja],#en:checked~.top label[for=en]{background:#fff;color:var(--drill)}
#ja:focus-visible~.top label[for=ja],#en:focus-visible~.top label[for=en]{outline:3px solid #1a1f24;outline-offset:2px}
h1{margin:.1em 0 .35em;font-size:30px;line-height:1.3}
h2{display:flex;justify-content:space-between;align-items:baseline;margin:2.4em 0 .7em;padding-bottom:.2em;border-bottom:2.5px solid var(--ink);font-size:23px;line-height:1.4}
h2 .mark{flex:none;margin-left:1em;padding:0 .6em;border:1.5px solid var(--drill);color:var(--drill);font-size:12.5px;letter-spacing:.08em}
h3{margin:1.5em 0 .25em;font-size:17px;line-height:1.45}
p{margin:.4em 0 .7em;text-wrap:pretty}
.stamp{display:inline-block;margin:0 0 .4em;padding:.05em .8em;border:3px solid var(--drill);color:var(--drill);font-size:24px;font-weight:800;letter-spacing:.12em}
.stamp small{font-size:13.5px;font-weight:600;letter-spacing:0}
.story{white-space:pre-line;max-width:60em}
.facts{color:var(--soft);font-size:14.5px}
.verdict{margin:1em 0;padding:.6em 1em;border:3px solid #007a5a;border-left-width:14px}
.verdict.bad{border-color:var(--drill);border-style:double;border-left-style:solid;border-width:6px 6px 6px 14px}
.verdict>b{font-size:25px}
.verdict ul{margin:.2em 0 0;padding-left:1.3em}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:10px;margin:1em 0;padding:0;list-style:none}
.tiles li{padding:.6em .8em .7em;border:1.5px solid var(--line);border-top:4px solid var(--ink)}
.tiles b{display:block;margin:.05em 0;font-size:27px;line-height:1.25;font-variant-numeric:tabular-nums;white-space:nowrap}
.tiles b.long{font-size:21px;line-height:1.6}
.tiles i{display:block;font-style:normal;font-size:14.5px;font-weight:700;line-height:1.35}
.tiles small{display:block;color:var(--soft);font-size:13px;line-height:1.4}
.findings{margin:0;padding:0;list-style:none}
.findings li{display:grid;grid-template-columns:7.2em 1fr;gap:.9em;padding:.5em 0;border-top:1px solid var(--line);break-inside:avoid}
.findings li:last-child{border-bottom:1px solid var(--line)}
.tone{align-self:start;margin-top:.15em;padding:.05em .3em;border:1.5px solid;font-size:13.5px;font-weight:700;text-align:center;white-space:nowrap}
.danger .tone{border:2.5px solid var(--drill);color:var(--drill)}.concern .tone{color:#7a5200}.note .tone{border-style:dashed;color:var(--soft)}.good .tone{color:#00664b}
.danger p{font-weight:700}.findings p{margin:0}
figure{margin:1.2em 0 2em}
figcaption h3{margin-top:.6em}
.reading{color:var(--soft);font-size:14.5px;margin:.1em 0 .6em}
.legend{display:flex;flex-wrap:wrap;gap:.2em 1.5em;margin:.3em 0 .7em;padding:0;list-style:none;font-size:14px}
.legend svg{margin-right:.45em;vertical-align:-2px}
.table{margin:1.2em 0 1.8em;overflow-x:auto}
table{width:100%;border-collapse:collapse;font-size:14.5px;line-height:1.5}
th{word-break:keep-all;padding:.35em .7em;border-bottom:1.5px solid var(--ink);text-align:left;vertical-align:bottom;line-height:1.35}
td{padding:.32em .7em;border-bottom:1px solid var(--line);vertical-align:top;word-break:keep-all;overflow-wrap:break-word}
td.one{white-space:nowrap}td.when{white-space:nowrap;font-variant-numeric:tabular-nums}table.two{max-width:46em}table.two td:first-child{width:14em}
th.num,td.num{text-align:right;font-variant-numeric:tabular-nums}
td.num{white-space:nowrap}
ol.events{margin:.8em 0;padding:0;list-style:none;font-size:14.5px}
ol.events li{display:grid;grid-template-columns:2.2em 6.8em 3.6em 4.4em 1fr;gap:.5em;padding:.24em 0;border-top:1px solid var(--line);break-inside:avoid}
ol.events b,ol.events i{text-align:right;font-style:normal;font-variant-numeric:tabular-nums}
ol.events i,ol.events em{color:var(--soft);font-style:normal}
ol.events u{align-self:start;margin-top:.12em;padding:0 .2em;border:1.5px solid var(--ink);border-radius:3px;font-size:12.5px;line-height:1.5;text-align:center;text-decoration:none;white-space:nowrap}
ol.events .care u{font-weight:700}ol.events .fault u{background:var(--ink);color:#fff;font-weight:700;border-radius:0}ol.events .mended u{border-style:double;border-width:3px}ol.events .step u{border-style:dashed;color:var(--soft)}ol.events .step div{color:var(--soft)}
ol.events .story-line u{border-color:transparent;font-style:italic}ol.events .story-line div{font-weight:700}
ol.events .bad{color:var(--drill);font-weight:700}
.checks{margin:.6em 0;padding:0;list-style:none}
.checks li{display:grid;grid-template-columns:5.6em 1fr;gap:.8em;padding:.45em 0;border-top:1px solid var(--line);break-inside:avoid}
.checks .tone{color:#00664b}.checks .idle .tone{color:var(--soft);font-weight:400}.checks .bad .tone{border:2.5px solid var(--drill);color:var(--drill)}
.checks p{margin:0;overflow-wrap:anywhere}.checks .detail{color:var(--soft);font-size:14px}
code,pre{font-family:"Noto Sans Mono CJK JP","SFMono-Regular",Consolas,monospace;font-size:13.5px}
.nb{white-space:nowrap}
p code,td code{font-size:.82em;color:var(--soft)}
pre{padding:.6em .9em;border:1px solid var(--line);white-space:pre-wrap;overflow-wrap:anywhere}
dl.words{display:grid;grid-template-columns:13em 1fr;gap:.4em 1em;margin:.6em 0}
dl.words dt{font-weight:700}dl.words dd{margin:0}
@media screen and (max-width:860px){main{padding:20px 22px 50px}.tiles{grid-template-columns:repeat(2,1fr)}}
@media screen and (max-width:560px){dl.words,.findings li{grid-template-columns:1fr;gap:.2em}.tone{justify-self:start;min-width:7.2em}ol.events li{grid-template-columns:2.4em 6.8em 3.6em 1fr}ol.events u{justify-self:start;min-width:4.4em}ol.events li div{grid-column:1/-1}h1{font-size:24px}}
@page{size:A4;margin:19mm 14mm 16mm;@top-left{content:"訓練 DRILL";font:700 13pt "Noto Sans CJK JP","Hiragino Sans","Yu Gothic",sans-serif;color:#b03a00}@top-right{content:"すべて架空 – all invented";font:8.5pt "Noto Sans CJK JP","Hiragino Sans","Yu Gothic",sans-serif;color:#4a545c}@bottom-right{content:counter(page) " / " counter(pages);font:9pt "Noto Sans CJK JP",sans-serif}}
@media print{
body{background:none;font-size:10.2pt;line-height:1.5}
main{max-width:none;margin:0;padding:0}
.top,.pick{display:none}
h1{font-size:19pt}h2{font-size:14.5pt;margin-top:1.5em;break-after:avoid}h3{font-size:11.5pt;break-after:avoid}
h2 .mark{font-size:9pt}
.stamp{font-size:16pt}.stamp small{font-size:9pt}
.facts,.reading,.legend,table,ol.events,.checks .detail{font-size:9.3pt}
.verdict>b{font-size:16pt}.verdict,.tiles li,figure,figcaption,.legend{break-inside:avoid}
.tiles{gap:7px}.tiles b{font-size:17pt}.tiles b.long{font-size:13.5pt}.tiles i{font-size:9.3pt}.tiles small{font-size:8.3pt}
.tone{font-size:9pt}ol.events u{font-size:8pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}
.findings li{padding:.32em 0}
.table{overflow:visible}.table.short{break-inside:avoid}thead{display:table-header-group}tr{break-inside:avoid}
.story{max-width:none}
figcaption{break-after:avoid}figure{margin:.8em 0 1.4em}
dl.words dt{break-after:avoid}dl.words dd{break-inside:avoid}
a{color:inherit;text-decoration:none}
}
"#;
