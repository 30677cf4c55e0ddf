"""Reaches people: mail through SES, and the operators' topic."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from incentives.aws.clients import AWS_ERRORS, error_code

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sns import SNSClient


class SesAndSnsNotifier:
    """`Notifier` on SES and SNS.

    Args:
        ses: a client, made only when it is first needed.
        sns: likewise.
        sender: a verified identity; None if mail is not set up.
        topic_arn: the operators' topic.
    """

    def __init__(
        self, ses: Callable[[], SESV2Client], sns: Callable[[], SNSClient], *, sender: str | None, topic_arn: str
    ) -> None:
        self._ses = ses
        self._sns = sns
        self._sender = sender
        self._topic_arn = topic_arn

    def mail(self, to: str, subject: str, text: str) -> str | None:
        """Send a mail.

        Returns:
            None if SES took it; otherwise why it did not.
        """
        if self._sender is None:
            return "no sender address is set"
        try:
            self._ses().send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [to]},
                Content={"Simple": {"Subject": {"Data": subject}, "Body": {"Text": {"Data": text}}}},
            )
        except AWS_ERRORS as error:
            return error_code(error)
        return None

    def notify(self, subject: str, text: str) -> str | None:
        """Tell the operators.

        Returns:
            None if SNS took it; otherwise why it did not.
        """
        try:
            self._sns().publish(TopicArn=self._topic_arn, Subject=subject[:100], Message=text)
        except AWS_ERRORS as error:
            return error_code(error)
        return None
