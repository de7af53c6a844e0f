"""How a machine becomes a device: knock with a code, wait for an operator, keep what the Engine gives.

Owns: the enrolment lock, ``enrolment_pending.json``, ``installer_code.used.json``. May be called by: ``app``;
``http.AgentHttpClient`` calls ``EnrolmentFlow`` through ``http.ports.Enroller``. ``machine`` decides what an answer
means, ``first_contact`` whom to speak to, ``codes`` with which code; ``asking`` speaks, ``flow`` drives them all.
"""

from borealis_agent.enrolment.codes import CodeBook, Offer
from borealis_agent.enrolment.flow import EnrolmentFlow

__all__ = ["CodeBook", "EnrolmentFlow", "Offer"]
