"""`make smoke` on the local cloud: every step is well, nothing is left, and what is broken is said."""

import re
from dataclasses import replace

import pytest

from local.smoke import FailedError, SkippedError, Smoke, main, run
from local.target import Target, of_local
from tests.stack.cloud import Cloud

ORDER = {"amount": "1.00", "currencyCode": "USD"}
CLAIM_CODE = re.compile(r"[A-Z0-9]{4}-[A-Z0-9]{6}-[A-Z0-9]{4}")


@pytest.fixture(scope="module")
def target(cloud: Cloud) -> Target:
    return of_local(cloud.outputs)


def _subscriptions(cloud: Cloud) -> set[str]:
    return {each["SubscriptionArn"] for each in cloud.client("sns").list_subscriptions()["Subscriptions"]}


def test_everything_is_well_and_nothing_is_left(cloud: Cloud, target: Target) -> None:
    # given the queues and subscriptions that are there already
    queues = cloud.client("sqs").list_queues()["QueueUrls"]
    subscriptions = _subscriptions(cloud)
    said: list[str] = []
    smoke = Smoke(target, ORDER)
    # when
    assert run(smoke, said.append), "\n".join(said)
    # then each step was tried
    assert [line.split()[0] for line in said] == ["ok"] * 10
    # and the card is no more, at Amazon neither
    (card,) = [each for each in cloud.sandbox.report()["cards"] if each["requestId"] == smoke.card["requestId"]]
    assert card["status"] != "Fulfilled"
    # and the operators were told as they would be of any alarm
    assert any("account-skipped" in str(notice) and "make smoke" in str(notice) for notice in cloud.notices())
    # and nothing else is left
    assert sorted(cloud.client("sqs").list_queues()["QueueUrls"]) == sorted(queues)
    assert _subscriptions(cloud) == subscriptions
    # and no code was shown
    assert smoke.claim_code
    assert not CLAIM_CODE.search("\n".join(said) + repr(smoke))


def test_a_step_that_fails_says_what_to_do_and_the_card_is_cancelled_all_the_same(cloud: Cloud, target: Target) -> None:
    # given a deployment whose workflow is not where its outputs say
    gone = target.outputs["StateMachineArn"] + "-gone"
    broken = replace(target, outputs={**target.outputs, "StateMachineArn": gone})
    said: list[str] = []

    class Impatient(Smoke):
        def cancel(self) -> str:
            """Fails the first time, as if the answer had been lost."""
            type(self).cancel = Smoke.cancel  # type: ignore[method-assign] # so that the next time is the real one
            raise FailedError("no answer", "Try again.")

    smoke = Impatient(broken, ORDER)
    # when
    assert not run(smoke, said.append)
    # then
    assert [line.split()[1] for line in said if line.split()[0] == "FAILED"] == ["cancel:", "recovery:"]
    (card,) = [each for each in cloud.sandbox.report()["cards"] if each["requestId"] == smoke.card["requestId"]]
    assert card["status"] != "Fulfilled"
    assert not CLAIM_CODE.search("\n".join(said))


def test_an_order_that_amazon_refuses_is_told_and_the_rest_is_tried(cloud: Cloud, target: Target) -> None:
    said: list[str] = []
    # when an account is named that does not exist
    assert not run(Smoke(target, {**ORDER, "account": "nobody"}), said.append)
    # then what needs a card is left out, and what does not is tried
    told = {line.split()[1]: line.split()[0] for line in said}
    assert (told["funds:"], told["create:"], told["cancel:"], told["alarm:"]) == ("FAILED", "FAILED", "-", "ok")


def test_mail_that_cannot_be_sent_is_told(target: Target) -> None:
    unset = replace(target, parameters={**target.parameters, "MailSender": ""})
    with pytest.raises(SkippedError, match="not set"):
        Smoke(unset, ORDER).mail()
    unverified = replace(target, parameters={**target.parameters, "MailSender": "somebody@example.org"})
    with pytest.raises(FailedError, match="not verified"):
        Smoke(unverified, ORDER).mail()


def test_a_real_card_is_not_ordered_by_mistake(
    target: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    production = replace(target, parameters={**target.parameters, "AmazonEnvironment": "production"})
    monkeypatch.setattr("local.smoke.find", lambda _: production)
    assert main({}) == 2
    assert "REALLY=yes" in capsys.readouterr().out
