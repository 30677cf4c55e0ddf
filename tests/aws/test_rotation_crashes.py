"""A rotation that is in trouble: the new key goes bad, others rotate at the same time, the process dies anywhere."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from incentives.domain.errors import AccountUnusable
from incentives.domain.keys.rotation import Outcome
from incentives.domain.outcomes import Unknown, UnknownBecause
from incentives.domain.single_requests.record import Status
from incentives.usecases.keys.key_trial import LOOK_EVERY_SECONDS
from tests.aws.rotating import NEW_SECRET, SHORT_WATCH, WHOLE_WATCH, Died, Life, Scene, ready

MINUTE = timedelta(minutes=1)


# ---- a key that goes bad ------------------------------------------------------------------------


def goes_bad(scene: Scene, *, after_seconds: float = 25.0) -> None:
    """Amazon drops the new key a while after its promotion, while functions go on issuing."""
    bad_at = scene.at + timedelta(seconds=after_seconds)

    def meanwhile() -> None:
        if scene.at >= bad_at and scene.new in scene.keys_at_amazon:
            scene.deactivate(scene.new)
        scene.traffic()

    scene.clock.meanwhile = meanwhile


def test_a_key_that_goes_bad_is_rolled_back_within_a_minute_and_no_order_is_lost(scene: Scene) -> None:
    # given a key that goes bad once the functions use it
    ready(scene)
    for dependencies in scene.functions:
        dependencies.accounts._cache.clear()
    goes_bad(scene)
    began_at = scene.at
    # when
    report = scene.rotate(watch_for=WHOLE_WATCH)
    # then the old key is back within a minute of that
    assert report.outcome is Outcome.ROLLED_BACK
    assert scene.at - began_at < timedelta(seconds=25) + MINUTE
    assert scene.labels() == {"AWSCURRENT": scene.old}
    # people and programs know
    ((subject, text),) = scene.w.notifier.notices
    assert "rolled back" in subject
    assert f"...{scene.old[-4:]} is in use again: do not deactivate it" in text
    assert [event.detail["stage"] for event in scene.bus.events] == ["promoted", "rolledBack"]
    # and every order ends as it should
    scene.drain()
    scene.traffic()
    assert scene.failures() == []
    assert scene.fates() == {Status.SUCCEEDED}
    assert NEW_SECRET not in scene.said()
    # asked again, it says what happened
    assert "rolled back at" in scene.rotate().detail


def test_a_refusal_that_only_a_function_meets_rolls_back_too(scene: Scene) -> None:
    # given a new key that Amazon takes from us
    ready(scene)

    def meanwhile() -> None:
        # when it refuses it to a function
        dependencies = scene.functions[0]
        dependencies.accounts.get(scene.name, fresh=True)
        dependencies.accounts.refused(scene.name)

    scene.clock.meanwhile = meanwhile
    report = scene.rotate()
    assert report.outcome is Outcome.ROLLED_BACK
    assert "a function met a refusal" in report.detail
    assert scene.labels()["AWSCURRENT"] == scene.old


def test_refusals_of_the_old_key_roll_nothing_back(scene: Scene) -> None:
    ready(scene)
    scene.deactivate(scene.old)
    scene.clock.meanwhile = scene.traffic
    assert scene.rotate().outcome is Outcome.KEPT
    assert any(line == "keyRefused" for line, _ in scene.w.telemetry.lines)
    assert scene.failures() == []


def test_a_refusal_from_an_earlier_trial_of_the_same_key_is_forgotten(scene: Scene) -> None:
    # given a key that was rolled back because a function met a refusal
    test_a_refusal_that_only_a_function_meets_rolls_back_too(scene)
    scene.clock.meanwhile = lambda: None
    scene.clock.sleep(60)
    # when it is put once more
    scene.put_pending()
    # then that refusal does not count again
    assert scene.rotate().outcome is Outcome.KEPT


def test_there_is_no_way_back_to_a_key_that_is_refused_as_well(scene: Scene) -> None:
    ready(scene)

    def meanwhile() -> None:
        for key in list(scene.keys_at_amazon):
            scene.deactivate(key)

    scene.clock.meanwhile = meanwhile
    report = scene.rotate()
    # the labels stay, and people are told once
    assert report.outcome is Outcome.BOTH_REFUSED
    assert scene.labels() == {"AWSCURRENT": scene.new, "AWSPENDING": scene.new, "AWSPREVIOUS": scene.old}
    assert len(scene.w.notifier.notices) == 1
    # an order waits for a key instead of being refused for want of one
    scene.traffic()
    assert scene.failures() == []
    # when the new key is good again
    scene.clock.meanwhile = lambda: None
    scene.create_key()
    # then the trial ends well, and so does the order
    assert scene.rotate().outcome is Outcome.KEPT
    scene.drain()
    assert scene.fates() == {Status.SUCCEEDED}


def test_people_who_cannot_be_told_that_both_keys_are_refused_are_told_at_a_later_look(scene: Scene) -> None:
    # given a time in which no notice gets out
    ready(scene)
    notifier = scene.w.notifier
    notifier.notice_fault = "ThrottlingException"
    ends_at = scene.clock.now() + timedelta(seconds=SHORT_WATCH)

    def meanwhile() -> None:
        for key in list(scene.keys_at_amazon):
            scene.deactivate(key)
        if scene.clock.now() >= ends_at:
            notifier.notice_fault = None

    scene.clock.meanwhile = meanwhile
    # when
    report = scene.rotate(watch_for=SHORT_WATCH + 3 * LOOK_EVERY_SECONDS)
    # then each look that could not tell says so, and once it could, nobody is told again
    assert report.outcome is Outcome.BOTH_REFUSED
    ((subject, _),) = notifier.notices
    assert "refuses both" in subject
    faults = [facts["because"] for line, facts in scene.w.telemetry.lines if line == "alertNotTold"]
    assert faults
    assert set(faults) == {"ThrottlingException"}
    assert scene.w.telemetry.counts["AlertNotTold"] == len(faults)


def test_what_a_function_met_does_not_count_against_the_only_key_there_is(scene: Scene) -> None:
    ready(scene)

    def meanwhile() -> None:
        scene.clock.meanwhile = lambda: None
        scene.deactivate(scene.old)
        dependencies = scene.functions[0]
        dependencies.accounts.get(scene.name, fresh=True)
        dependencies.accounts.refused(scene.name)

    scene.clock.meanwhile = meanwhile
    assert scene.rotate().outcome is Outcome.KEPT
    assert scene.labels()["AWSCURRENT"] == scene.new
    # and the old key is not asked for at every look
    proofs = [facts["outcome"] for line, facts in scene.w.telemetry.lines if line == "keyProof"]
    assert proofs.count("refused") == 1


def test_a_trial_without_an_response_is_not_over(scene: Scene) -> None:
    ready(scene)

    class Mute:
        """Takes the proof before the promotion, and then says nothing."""

        def __init__(self) -> None:
            self.asked = 0
            self.amazon = scene.functions[0].amazon

        def funds(self, account: Any, *, seconds: float) -> Any:
            self.asked += 1
            mute = Unknown(UnknownBecause.TIMED_OUT)
            return self.amazon.funds(account, seconds=seconds) if self.asked == 1 else mute

    report = scene.rotate(amazon=Mute())
    assert report.outcome is Outcome.UNPROVEN
    assert scene.labels()["AWSPENDING"] == scene.new
    assert scene.rotate().outcome is Outcome.KEPT


# ---- others at the same time, and crashes -------------------------------------------------------


def test_two_invocations_at_once_do_no_more_than_one(scene: Scene) -> None:
    ready(scene)
    others: list[Outcome] = []

    def meanwhile() -> None:
        if not others:
            others.append(scene.rotate(watch_for=30).outcome)

    scene.clock.meanwhile = meanwhile
    first = scene.rotate(watch_for=60)
    assert [first.outcome, *others] == [Outcome.KEPT, Outcome.KEPT]
    assert scene.labels() == {"AWSCURRENT": scene.new, "AWSPREVIOUS": scene.old}


def test_a_key_that_another_invocation_promotes_first_is_watched_by_both(scene: Scene) -> None:
    ready(scene)

    class Overtaking:
        """While the pending key is proven, another invocation promotes it, and dies in its first look."""

        def __init__(self, name: str) -> None:
            self.name = name
            self.amazon = scene.functions[0].amazon
            self.asked = 0

        def funds(self, account: Any, *, seconds: float) -> Any:
            self.asked += 1
            if self.name == "first" and self.asked == 1:
                with pytest.raises(Died):
                    scene.rotate(amazon=Overtaking("second"))
            elif self.name == "second" and self.asked > 1:
                raise Died
            return self.amazon.funds(account, seconds=seconds)

    first = Overtaking("first")
    assert scene.rotate(amazon=first).outcome is Outcome.KEPT
    assert first.asked > 1
    assert scene.labels() == {"AWSCURRENT": scene.new, "AWSPREVIOUS": scene.old}
    assert [line for line, _ in scene.w.telemetry.lines].count("keyPromoted") == 1


def test_a_rollback_that_another_invocation_has_done_is_told_as_one(scene: Scene) -> None:
    ready(scene)
    others: list[Outcome] = []

    def meanwhile() -> None:
        if not others:
            scene.deactivate(scene.new)
            others.append(scene.rotate().outcome)

    scene.clock.meanwhile = meanwhile
    assert [scene.rotate().outcome, *others] == [Outcome.ROLLED_BACK] * 2
    assert scene.labels() == {"AWSCURRENT": scene.old}


def test_a_rollback_after_the_trial_that_nobody_lived_to_tell_is_told_by_the_next(scene: Scene) -> None:
    # given a key that was kept, and that another invocation has taken back before it died
    ready(scene)
    assert scene.rotate().outcome is Outcome.KEPT
    versions = scene.versions()
    scene.aws.secrets.update_secret_version_stage(
        SecretId=scene.secret_id,
        VersionStage="AWSCURRENT",
        RemoveFromVersionId=versions["AWSCURRENT"],
        MoveToVersionId=versions["AWSPREVIOUS"],
    )
    assert scene.labels() == {"AWSCURRENT": scene.old, "AWSPREVIOUS": scene.new}
    # when
    report = scene.rotate()
    # then nobody is told that the key in use may go
    assert (report.outcome, report.safe_at) == (Outcome.ROLLED_BACK, None)
    assert scene.labels() == {"AWSCURRENT": scene.old}
    assert [subject for subject, _ in scene.w.notifier.notices] == [
        f"Incentives account {scene.name}: the new access key was rolled back"
    ]
    assert scene.rotate().outcome is Outcome.NOTHING_TO_DO


def test_a_rollback_in_the_last_pause_of_a_watch_is_found_by_one_more_look(scene: Scene) -> None:
    # given another invocation that meets a refusal just before this one's last look, and a key that is good again
    ready(scene)
    ends_at = scene.clock.now() + timedelta(seconds=SHORT_WATCH)

    def meanwhile() -> None:
        if scene.clock.now() >= ends_at:
            scene.clock.meanwhile = lambda: None
            scene.deactivate(scene.new)
            scene.rotate()
            scene.create_key()

    scene.clock.meanwhile = meanwhile
    # when
    report = scene.rotate(watch_for=SHORT_WATCH)
    # then nobody is told that the old key, which is in use again, may be deactivated
    assert report.outcome is Outcome.ROLLED_BACK
    assert report.safe_at is None
    assert scene.labels() == {"AWSCURRENT": scene.old}


def test_a_rollback_in_the_last_look_whose_response_is_lost_is_looked_for_once_more(scene: Scene) -> None:
    # given a new key that is refused at the last look, and a label that is moved without anybody hearing of it
    ready(scene)
    ends_at = scene.clock.now() + timedelta(seconds=SHORT_WATCH)

    def meanwhile() -> None:
        if scene.clock.now() >= ends_at:
            scene.deactivate(scene.new)

    scene.clock.meanwhile = meanwhile
    # when
    report = scene.rotate(life=Life(deaf_at=("update_secret_version_stage", 2)), watch_for=SHORT_WATCH)
    # then the new key is not taken for kept
    assert report.outcome is Outcome.ROLLED_BACK
    assert scene.labels() == {"AWSCURRENT": scene.old}


def test_a_rollback_right_after_the_last_look_is_not_told_as_a_key_that_stays(scene: Scene) -> None:
    # given another invocation that meets a refusal after this one's last proof
    ready(scene)
    ends_at = scene.clock.now() + timedelta(seconds=SHORT_WATCH)

    class ResponsesAndGoesOn:
        """Amazon, which has answered when the other one comes."""

        def __init__(self) -> None:
            self.amazon = scene.functions[0].amazon
            self.others: list[Outcome] = []

        def funds(self, account: Any, *, seconds: float) -> Any:
            response = self.amazon.funds(account, seconds=seconds)
            if scene.clock.now() >= ends_at and not self.others:
                scene.deactivate(scene.new)
                self.others.append(scene.rotate().outcome)
                scene.create_key()
            return response

    amazon = ResponsesAndGoesOn()
    # when
    report = scene.rotate(amazon=amazon, watch_for=SHORT_WATCH)
    # then
    assert amazon.others == [Outcome.ROLLED_BACK]
    assert (report.outcome, report.safe_at) == (Outcome.OVERTAKEN, None)
    assert scene.labels() == {"AWSCURRENT": scene.old}


def test_a_rollback_whose_response_is_lost_is_found_at_the_next_looks(scene: Scene) -> None:
    # given a label that is moved without anybody hearing of it
    ready(scene)
    scene.clock.meanwhile = lambda: scene.deactivate(scene.new)
    life = Life(deaf_at=("update_secret_version_stage", 2))
    report = scene.rotate(life=life)
    assert report.outcome is Outcome.ROLLED_BACK
    assert "(UnrecognizedClientException)" in report.detail
    assert scene.labels() == {"AWSCURRENT": scene.old}
    assert len(scene.w.notifier.notices) == 1


def test_a_promotion_whose_response_is_lost_goes_on_with_the_next_invocation(scene: Scene) -> None:
    ready(scene)
    with pytest.raises(AccountUnusable, match="labels cannot be moved"):
        scene.rotate(life=Life(deaf_at=("update_secret_version_stage", 1)))
    assert scene.labels()["AWSCURRENT"] == scene.new
    assert scene.rotate().outcome is Outcome.KEPT


def test_a_watch_whose_key_somebody_else_has_replaced_ends(scene: Scene) -> None:
    ready(scene)
    third = scene.secret("THIRDKEY", "not-the-third-secret", created="2026-02-28T00:00:00Z")

    def meanwhile() -> None:
        scene.clock.meanwhile = lambda: None
        scene.aws.secrets.put_secret_value(SecretId=scene.secret_id, SecretString=third)

    scene.clock.meanwhile = meanwhile
    report = scene.rotate()
    assert report.outcome is Outcome.OVERTAKEN
    assert scene.labels()["AWSCURRENT"] == "THIRDKEY"
    assert "AWSPENDING" not in scene.labels()


def test_labels_that_cannot_be_read_for_a_moment_are_looked_at_again(scene: Scene) -> None:
    ready(scene)
    assert scene.rotate(life=Life(deaf_at=("describe_secret", 2))).outcome is Outcome.KEPT
    assert scene.labels() == {"AWSCURRENT": scene.new, "AWSPREVIOUS": scene.old}
