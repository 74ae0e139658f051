//! What an input says: calls, with arguments that a caller gets wrong.

use arbitrary::Arbitrary;

use crate::calls::arguments::{
    Data, Descriptor, Few, Index, Out, StatusCode, Text, Time, User, Which,
};

/// How the first server is made, what its first client does, and what happens then.
#[derive(Arbitrary, Debug)]
pub(super) struct Script {
    pub(super) setup: Few<ConfigCall>,
    pub(super) opening: Opening,
    pub(super) steps: Vec<Step>,
}

/// What the first client begins with: mostly a request, whose callback takes the first steps.
#[derive(Arbitrary, Debug)]
pub(super) enum Opening {
    Request(Request),
    Request2(Request),
    Request3(Request),
    Preface,
    Nothing,
}

/// One step of a script. A callback that is called takes the steps that come next, until `Return`.
#[derive(Arbitrary, Debug)]
pub(super) enum Step {
    Return,
    Exchange(Which, ExchangeCall),
    Exchange2(Which, ExchangeCall),
    Client(u8, ClientAct),
    /// As `Client`, and the server is not driven.
    Quietly(u8, ClientAct),
    Server(u8, ServerCall),
    Config(u8, ConfigCall),
    Start {
        config: u8,
        server: u8,
        out: Out,
        error: Out,
    },
    Log {
        level: u8,
        callback: bool,
        user: User,
    },
    Facts {
        status: i8,
        name: Text,
    },
}

#[derive(Arbitrary, Debug)]
pub(super) enum ExchangeCall {
    Defer,
    End,
    Refuse(u16),
    Abort,
    Reply {
        status: StatusCode,
        content_type: Text,
        body: Data,
    },
    IsGone(Out),
    Notify {
        kinds: u8,
        callback: bool,
        user: User,
    },
    NotifyAnything {
        kinds: u32,
        user: User,
    },
    GetText {
        which: u8,
        out: Out,
    },
    FindText {
        which: u8,
        name: Data,
        out: Out,
    },
    HeaderNth {
        name: Data,
        n: u8,
        out: Out,
    },
    FieldAt {
        headers: bool,
        index: Index,
        out: Out,
    },
    HeaderCount(Out),
    ContentLength(Out),
    Read {
        capacity: u16,
        buffer: Out,
        count: Out,
    },
    Body(Out),
    Tls {
        size: u8,
        out: Out,
    },
    SetStatus(StatusCode),
    Inform(StatusCode),
    Write(Data),
    Flush,
    Status(Out),
    Written(Out),
    HeadSent(Out),
    Reset,
    WriteFd {
        fd: Descriptor,
        offset: u64,
        length: u64,
    },
    WriteSmallFd {
        offset: u8,
        length: u16,
    },
    SendFile {
        path: Text,
        error: Out,
    },
    SetField {
        how: u8,
        name: Data,
        value: Data,
    },
    DeleteHeader(Data),
}

#[derive(Arbitrary, Debug)]
pub(super) enum ConfigCall {
    New(Out),
    Limit {
        limit: i8,
        value: u64,
    },
    SmallLimit {
        limit: i8,
        value: u16,
    },
    AnyLimit {
        limit: i32,
        value: u64,
    },
    GetLimit {
        limit: i8,
        out: Out,
    },
    Listen {
        address: u8,
        error: Out,
    },
    ListenAnywhere {
        address: Text,
        error: Out,
    },
    Backlog(Index),
    ReusePort(bool),
    UnixMode(u16),
    V6Only(bool),
    Handle {
        how: u8,
        pattern: Text,
        handler: bool,
        user: User,
        error: Out,
    },
    ServeDir {
        pattern: Text,
        directory: Text,
        error: Out,
    },
    Reactors(Index),
    Threads(Index),
    Queue(Index),
    Driven(bool),
    TlsFiles {
        chain: Text,
        key: Text,
    },
    TlsPem {
        chain: Data,
        key: Data,
    },
    TlsClientCaFile(Text),
    TlsClientCaPem(Data),
    TlsClientAuth(i8),
    TlsMinVersion(i32),
    TlsAlpn {
        protocols: Few<Data>,
        given: Out,
    },
    Free,
}

#[derive(Arbitrary, Debug)]
pub(super) enum ServerCall {
    Turn {
        timeout: Time,
        out: Out,
    },
    Turn2,
    Next {
        capacity: u8,
        timeout: Time,
        events: Out,
        count: Out,
    },
    Next2,
    QueueFd(Out),
    Address {
        index: Index,
        out: Out,
    },
    Port(Out),
    Url(Out),
    Counts,
    Handle {
        how: u8,
        pattern: Text,
        handler: bool,
        user: User,
        error: Out,
    },
    ServeDir {
        pattern: Text,
        directory: Text,
        error: Out,
    },
    Wake,
    Watch(Descriptor),
    BeginStop(Time),
    Stop(Time),
    Wait(Time),
    ReloadTls(Out),
    Free,
}

#[derive(Arbitrary, Debug)]
pub(super) enum ClientAct {
    Connect(u8),
    Request(Request),
    Request2(Request),
    Raw(Data),
    /// HTTP/2, in frames.
    Preface,
    Frame(Frame),
    Receive,
    ShutDown,
    Close,
}

#[derive(Arbitrary, Debug)]
pub(super) struct Request {
    pub(super) method: u8,
    pub(super) target: u8,
    pub(super) old: bool,
    pub(super) fields: Few<(Data, Data)>,
    pub(super) body: Body,
}

#[derive(Arbitrary, Debug)]
pub(super) enum Body {
    None,
    None2,
    Length {
        said: u16,
        sent: u16,
    },
    Chunked {
        sizes: Few<u16>,
        trailers: bool,
        ended: bool,
    },
    Expected,
}

#[derive(Arbitrary, Debug)]
pub(super) enum Frame {
    Request {
        stream: u8,
        method: u8,
        target: u8,
        ended: bool,
    },
    Data {
        stream: u8,
        len: u8,
        ended: bool,
    },
    Reset {
        stream: u8,
    },
    Any {
        kind: u8,
        flags: u8,
        stream: u8,
        payload: Data,
    },
}
