"""Where a webhook may go: the table of addresses that are refused, what the operator allows, names that change."""

import pytest
from aiohttp import web

from connectors.outbound.commerce.addresses import Addresses, Refused
from connectors.outbound.commerce.delivery import Post
from connectors.outbound.commerce.settings import Commerce

REFUSED = [
    "127.0.0.1", "127.255.0.3", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "169.254.0.1", "100.64.0.1", "100.100.100.200", "192.0.0.192", "168.63.129.16", "198.18.0.1", "203.0.113.7",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
    "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:100.64.0.1",
    "::127.0.0.1", "2002:7f00:1::", "2002:a00:1::", "64:ff9b::a00:1", "64:ff9b::7f00:1", "fec0::1", "feff::1",
    "64:ff9b:1::a00:1", "64:ff9b:1:fffe::1", "::ffff:0:a00:1", "::ffff:0:808:808", "3fff::1", "3fff:fff::1", "5f00::1",
    "4000::1", "100::1", "200::1",
]  # fmt: skip
PUBLIC = ["93.184.215.14", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "172.32.0.1"]


def resolving(*answers: str):
    """A resolver that gives these addresses, one answer a call; the last one for ever."""
    left = list(answers)

    async def resolve(_host: str, _port: int) -> list[str]:
        return (left.pop(0) if len(left) > 1 else left[0]).split()

    return resolve


@pytest.mark.parametrize("address", REFUSED)
async def test_an_address_that_is_not_public_is_refused(address):
    """Private, loopback, link-local, CGNAT, metadata, and each of them inside an IPv6 address."""
    with pytest.raises(Refused, match=r"shop\.example is at"):
        await Addresses(resolve=resolving(address)).target("https://shop.example/hook")


@pytest.mark.parametrize("address", PUBLIC)
async def test_a_public_address_is_taken(address):
    """And the connection goes to the very address that was checked."""
    target = await Addresses(resolve=resolving(address)).target("https://shop.example/hook?a=b")

    assert (address,) == target.addresses
    assert "/hook?a=b" == target.path


async def test_one_bad_address_among_good_ones_refuses_the_name():
    """A name that leads to both is nobody's public receiver."""
    with pytest.raises(Refused, match=r"10\.0\.0\.1"):
        await Addresses(resolve=resolving("8.8.8.8 10.0.0.1")).target("https://shop.example/")


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "localhost"])
async def test_loopback_by_any_spelling_is_refused(host):
    """The system resolves the spelling; the rule looks at what comes out."""
    with pytest.raises((Refused, OSError)):
        await Addresses().target(f"https://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/", "ftp://shop.example/", "https:///x", "https://user:pw@shop.example/", "https://h:x/",
        "http://user:pw@shop.example/", "ftp://user:pw@shop.example/", "https://user:pw@h:x/", "https://user:pw@[bad/",
        "user:pw@shop.example/", "https:\\\\user:pw@shop.example/", "https:user:pw@shop.example/", "https://pw@h/",
        "https://hub..example/x", "https://.example/", f"https://{'a' * 64}.example/", "https://h b.example/",
        "https://h.example/a\x01b", "https://h\x00.example/", "https://h.example/a\nb",
    ],
)  # fmt: skip
async def test_a_url_that_is_not_plain_https_is_refused_before_it_is_resolved(url):
    """And a password in it is not repeated."""
    with pytest.raises(Refused) as error:
        await Addresses(resolve=resolving("8.8.8.8")).target(url)

    assert "pw" not in str(error.value)


async def test_a_name_in_another_script_is_called_by_its_ascii_form():
    """As in the certificate and in DNS; the operator may allow it by either."""
    rules = Addresses("hüb.intern", resolve=resolving("10.20.3.4"))

    assert "xn--hb-xka.intern" == (await rules.target("https://HÜB.intern/")).host
    assert "xn--hb-xka.intern" == (await rules.target("https://xn--hb-xka.intern/")).authority


async def test_what_the_operator_allows_is_allowed_and_nothing_else():
    """Networks and host names of receivers on premise."""
    rules = Addresses("10.20.0.0/16, erp.intern", resolve=resolving("10.20.3.4", "10.21.0.1"))

    assert ("10.20.3.4",) == (await rules.target("https://hub.intern/")).addresses
    with pytest.raises(Refused, match=r"10\.21\.0\.1"):
        await rules.target("https://hub.intern/")
    assert ("10.21.0.1",) == (await rules.target("https://erp.intern/")).addresses


async def test_a_name_that_is_rebound_after_the_check_changes_nothing():
    """Resolved once: the connection goes to the address that was checked; the next delivery is checked anew."""
    heard: list[str] = []

    async def hear(request: web.Request) -> web.Response:
        heard.append(f"{request.transport.get_extra_info('sockname')[0]} {request.headers['host']}")
        return web.Response()

    app = web.Application()
    app.router.add_post("/", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.2", 0)
    await site.start()
    port = runner.addresses[0][1]
    await web.TCPSite(runner, "127.0.0.1", port).start()
    rules = Addresses("127.0.0.2/32", allow_http=True, resolve=resolving("127.0.0.2", "127.0.0.1"))
    post = Post(Commerce(), rules)

    first = await post(f"http://shop.example:{port}/", {}, b"{}")
    second = await post(f"http://shop.example:{port}/", {}, b"{}")
    await post.close()
    await runner.cleanup()

    assert first.ok
    assert [f"127.0.0.2 shop.example:{port}"] == heard
    assert "shop.example is at 127.0.0.1, a loopback address" in second.text
