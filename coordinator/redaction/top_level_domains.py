"""Endings of names that are those of internet domains: of countries, and of where people have their mail."""

# The whole list has 1,400 entries and changes; next to nobody has mail at the others.
_NAMES = (
    "academy aero africa agency amsterdam app arpa art asia associates attorney bank bar berlin bible bio biz "
    "blog boston brussels build builders business cafe capital care careers cat center chat church city click "
    "clinic cloud club coach codes coffee college com community company computer consulting contact "
    "contractors cool coop cymru dating deals delivery dental dentist design dev digital direct directory "
    "doctor domains earth edu education email energy engineer engineering enterprises estate events exchange "
    "expert express family farm fashion finance financial fit fitness foundation fun fund gallery games garden "
    "global gmbh gov graphics group guide guru hamburg health healthcare help hiv holdings host hosting hotel "
    "house icu inc industries info ink institute insure int international investments jobs kim koeln land law "
    "lawyer legal life limited limo link live llc loan london love ltd madrid management market marketing mba "
    "media melbourne miami mil mobi mobile moe money museum name navy net network news ngo ninja nrw nyc one "
    "ong online org page paris partners parts party pet pharmacy phone photo photography photos physio pics "
    "pizza place plus porn post press pro productions properties property pub quebec radio realtor realty "
    "rehab repair report restaurant rocks ruhr saarland sale salon school schule science scot services shop "
    "show site social software solar solutions space store studio style support surgery sydney systems taipei "
    "tax team tech technology tel tennis tips today tokyo tools top tours town toys trade training travel tube "
    "university uno vegas ventures vet video villas vip vision vote voyage wales wang watch website wedding "
    "wien wiki win wine work works world wtf xxx xyz yoga yokohama zone "
    "example invalid localhost test"
)
_GENERIC = frozenset(_NAMES.split())
_OF_COUNTRIES = (
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bv bw by "
    "bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj "
    "fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io "
    "iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg "
    "mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph "
    "pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy "
    "sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za "
    "zm zw"
)
_COUNTRIES = frozenset(_OF_COUNTRIES.split())
# Countries whose two letters are more often the end of a file's name.
_OF_FILES = frozenset({"cc", "md", "pl", "ps", "py", "rs", "sh", "so"})


def is_top_level_domain(name: str, *, may_be_file: bool = False) -> bool:
    """Returns whether a name's last label may be that of a domain with mail.

    With ``may_be_file`` the whole may be a file's name as well: then only what hardly is one counts.
    """
    lower = name.lower()
    if len(lower) == 2:
        return lower in _COUNTRIES and not (may_be_file and lower in _OF_FILES)
    return lower in _GENERIC or lower.startswith("xn--") or not lower.isascii()
