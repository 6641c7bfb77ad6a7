"""No secret is said, whatever it looks like."""

from __future__ import annotations

from pulumi_openrelay.lifecycle.discreet import DiscreetCall

from ..support import Hand
from .boxes import BOX


def test_a_secret_that_contains_another_is_hidden_whole() -> None:
    call = DiscreetCall(Hand(), BOX, ["swordfish", "swordfish-and-chips", "fish"])
    assert call.without_secrets("not swordfish-and-chips.") == "not [secret]."


def test_what_a_url_has_to_tell_who_asks_is_hidden_as_given_and_with_more_in_its_query() -> None:
    call = DiscreetCall(Hand(), BOX)
    call.hide({"name": "https://bob:s3cret@h.example/x?token=t0ken#top"})
    given = "no https://bob:s3cret@h.example/x?token=t0ken&pulumi=a-1#top"
    assert call.without_secrets(given) == "no https://[secret]@h.example/x?[secret]&pulumi=a-1#top"


def test_what_a_url_has_is_hidden_alone_where_it_is_long_and_no_word_of_a_sentence_is() -> None:
    call = DiscreetCall(Hand(), BOX)
    call.hide({"name": ["https://team@h.example/x?team&sig=a%2Flong%2Fone"]})
    said = "team 'team': https://team@h.example/x?team&sig=a%2Flong%2Fone has no a/long/one"
    hidden = "team 'team': https://[secret]@h.example/x?[secret] has no [secret]"
    assert call.without_secrets(said) == hidden
