from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PublicationClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PUBLICATION_CLASS_UNSPECIFIED: _ClassVar[PublicationClass]
    PUBLICATION_CLASS_KEPT: _ClassVar[PublicationClass]
    PUBLICATION_CLASS_LATEST: _ClassVar[PublicationClass]
    PUBLICATION_CLASS_VOLATILE: _ClassVar[PublicationClass]
PUBLICATION_CLASS_UNSPECIFIED: PublicationClass
PUBLICATION_CLASS_KEPT: PublicationClass
PUBLICATION_CLASS_LATEST: PublicationClass
PUBLICATION_CLASS_VOLATILE: PublicationClass

class Position(_message.Message):
    __slots__ = ("epoch", "offset")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    epoch: str
    offset: int
    def __init__(self, epoch: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class Identity(_message.Message):
    __slots__ = ("kind", "id")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    kind: str
    id: str
    def __init__(self, kind: _Optional[str] = ..., id: _Optional[str] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("identity", "info", "sessions")
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    identity: Identity
    info: str
    sessions: int
    def __init__(self, identity: _Optional[_Union[Identity, _Mapping]] = ..., info: _Optional[str] = ..., sessions: _Optional[int] = ...) -> None: ...

class Publication(_message.Message):
    __slots__ = ("ns", "room", "event", "data", "sender", "id", "offset", "at", "key")
    NS_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    ns: str
    room: str
    event: str
    data: str
    sender: Identity
    id: str
    offset: int
    at: int
    key: str
    def __init__(self, ns: _Optional[str] = ..., room: _Optional[str] = ..., event: _Optional[str] = ..., data: _Optional[str] = ..., sender: _Optional[_Union[Identity, _Mapping]] = ..., id: _Optional[str] = ..., offset: _Optional[int] = ..., at: _Optional[int] = ..., key: _Optional[str] = ...) -> None: ...

class PublishRequest(_message.Message):
    __slots__ = ("ns", "room", "event", "data", "id", "publication_class", "key")
    NS_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PUBLICATION_CLASS_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    ns: str
    room: str
    event: str
    data: str
    id: str
    publication_class: PublicationClass
    key: str
    def __init__(self, ns: _Optional[str] = ..., room: _Optional[str] = ..., event: _Optional[str] = ..., data: _Optional[str] = ..., id: _Optional[str] = ..., publication_class: _Optional[_Union[PublicationClass, str]] = ..., key: _Optional[str] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("id", "epoch", "offset")
    ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    id: str
    epoch: str
    offset: int
    def __init__(self, id: _Optional[str] = ..., epoch: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class HistoryRequest(_message.Message):
    __slots__ = ("ns", "room", "since", "limit", "reverse")
    NS_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    REVERSE_FIELD_NUMBER: _ClassVar[int]
    ns: str
    room: str
    since: Position
    limit: int
    reverse: bool
    def __init__(self, ns: _Optional[str] = ..., room: _Optional[str] = ..., since: _Optional[_Union[Position, _Mapping]] = ..., limit: _Optional[int] = ..., reverse: _Optional[bool] = ...) -> None: ...

class HistoryResponse(_message.Message):
    __slots__ = ("position", "publications", "more")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    PUBLICATIONS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    position: Position
    publications: _containers.RepeatedCompositeFieldContainer[Publication]
    more: bool
    def __init__(self, position: _Optional[_Union[Position, _Mapping]] = ..., publications: _Optional[_Iterable[_Union[Publication, _Mapping]]] = ..., more: _Optional[bool] = ...) -> None: ...

class PresenceRequest(_message.Message):
    __slots__ = ("ns", "room")
    NS_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    ns: str
    room: str
    def __init__(self, ns: _Optional[str] = ..., room: _Optional[str] = ...) -> None: ...

class PresenceResponse(_message.Message):
    __slots__ = ("members",)
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[Member]
    def __init__(self, members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ...) -> None: ...

class CallRequest(_message.Message):
    __slots__ = ("ns", "to", "method", "data", "timeout_ms")
    NS_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    ns: str
    to: str
    method: str
    data: str
    timeout_ms: int
    def __init__(self, ns: _Optional[str] = ..., to: _Optional[str] = ..., method: _Optional[str] = ..., data: _Optional[str] = ..., timeout_ms: _Optional[int] = ...) -> None: ...

class CallResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: str
    def __init__(self, data: _Optional[str] = ...) -> None: ...

class SubscribeRequest(_message.Message):
    __slots__ = ("ns", "room", "since")
    NS_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    ns: str
    room: str
    since: Position
    def __init__(self, ns: _Optional[str] = ..., room: _Optional[str] = ..., since: _Optional[_Union[Position, _Mapping]] = ...) -> None: ...

class SubscribeResponse(_message.Message):
    __slots__ = ("joined", "publication")
    JOINED_FIELD_NUMBER: _ClassVar[int]
    PUBLICATION_FIELD_NUMBER: _ClassVar[int]
    joined: Joined
    publication: Publication
    def __init__(self, joined: _Optional[_Union[Joined, _Mapping]] = ..., publication: _Optional[_Union[Publication, _Mapping]] = ...) -> None: ...

class Joined(_message.Message):
    __slots__ = ("position", "recovered")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    RECOVERED_FIELD_NUMBER: _ClassVar[int]
    position: Position
    recovered: bool
    def __init__(self, position: _Optional[_Union[Position, _Mapping]] = ..., recovered: _Optional[bool] = ...) -> None: ...

class SessionRequest(_message.Message):
    __slots__ = ("ref", "op", "ns", "data")
    REF_FIELD_NUMBER: _ClassVar[int]
    OP_FIELD_NUMBER: _ClassVar[int]
    NS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ref: str
    op: str
    ns: str
    data: str
    def __init__(self, ref: _Optional[str] = ..., op: _Optional[str] = ..., ns: _Optional[str] = ..., data: _Optional[str] = ...) -> None: ...

class SessionResponse(_message.Message):
    __slots__ = ("answer", "publication", "presence", "call", "closing")
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    PUBLICATION_FIELD_NUMBER: _ClassVar[int]
    PRESENCE_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    CLOSING_FIELD_NUMBER: _ClassVar[int]
    answer: Answer
    publication: Publication
    presence: PresenceChange
    call: Call
    closing: Closing
    def __init__(self, answer: _Optional[_Union[Answer, _Mapping]] = ..., publication: _Optional[_Union[Publication, _Mapping]] = ..., presence: _Optional[_Union[PresenceChange, _Mapping]] = ..., call: _Optional[_Union[Call, _Mapping]] = ..., closing: _Optional[_Union[Closing, _Mapping]] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("ref", "ok", "data", "error")
    REF_FIELD_NUMBER: _ClassVar[int]
    OK_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ref: str
    ok: bool
    data: str
    error: Error
    def __init__(self, ref: _Optional[str] = ..., ok: _Optional[bool] = ..., data: _Optional[str] = ..., error: _Optional[_Union[Error, _Mapping]] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("code", "message", "retry_after_ms")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    retry_after_ms: int
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., retry_after_ms: _Optional[int] = ...) -> None: ...

class PresenceChange(_message.Message):
    __slots__ = ("ns", "room", "action", "member")
    NS_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    ns: str
    room: str
    action: str
    member: Member
    def __init__(self, ns: _Optional[str] = ..., room: _Optional[str] = ..., action: _Optional[str] = ..., member: _Optional[_Union[Member, _Mapping]] = ...) -> None: ...

class Call(_message.Message):
    __slots__ = ("ns", "id", "method", "data", "sender")
    NS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    ns: str
    id: str
    method: str
    data: str
    sender: Identity
    def __init__(self, ns: _Optional[str] = ..., id: _Optional[str] = ..., method: _Optional[str] = ..., data: _Optional[str] = ..., sender: _Optional[_Union[Identity, _Mapping]] = ...) -> None: ...

class Closing(_message.Message):
    __slots__ = ("ns", "code", "message", "reconnect", "retry_after_ms")
    NS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RECONNECT_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    ns: str
    code: str
    message: str
    reconnect: bool
    retry_after_ms: int
    def __init__(self, ns: _Optional[str] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., reconnect: _Optional[bool] = ..., retry_after_ms: _Optional[int] = ...) -> None: ...
