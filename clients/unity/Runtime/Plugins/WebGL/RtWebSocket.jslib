// The browser's WebSocket for WebGlTransport.cs. The game asks, in each frame; nothing here calls into the game, since how
// that is done changes from one Unity to the next. Written for the oldest JavaScript that Unity's builds take.
// States: 0 connecting, 1 open, 2 closed. Ends: 0 none, 1 here, 2 there, 3 lost, 4 inbound full, 5 outbound full.
var RtWebSocketLibrary = {
  $RtWebSocket: {
    sockets: {},
    next: 1,
    frameBytes: 64, // what a message counts beside its bytes
    messageBytes: 64 * 1024 * 1024, // how large one may be
    none: { state: 2, end: 1, code: 0, waiting: [], waitingBytes: 0, unsent: [], unsentBytes: 0, socket: null },

    get: function (id) {
      return RtWebSocket.sockets[id] || RtWebSocket.none;
    },

    unsent: function (one) {
      return one.unsentBytes + (one.state === 1 ? one.socket.bufferedAmount : 0);
    },

    /** Not 1000: a service takes that for a goodbye. */
    abort: function (one, end) {
      if (one.state === 2) return;
      one.state = 2;
      one.end = end;
      one.unsent = [];
      one.unsentBytes = 0;
      if (one.socket) one.socket.close(4000);
    },

    overflow: function (one) {
      RtWebSocket.abort(one, 4);
      one.waiting = []; // what comes after them is lost, so a client starts again from what it has handled
      one.waitingBytes = 0;
    },

    receive: function (one, data) {
      if (one.state === 2) return;
      var isText = typeof data === "string";
      if (isText && one.ping && data === one.ping) one.socket.send(one.pong);
      var bytes = isText ? new TextEncoder().encode(data) : new Uint8Array(data);
      var size = bytes.length + RtWebSocket.frameBytes;
      var full = one.waiting.length > 0 && one.waitingBytes + size > one.inboundBytes;
      if (full || bytes.length > RtWebSocket.messageBytes) {
        RtWebSocket.overflow(one);
        return;
      }
      one.waiting.push({ bytes: bytes, isText: isText });
      one.waitingBytes += size;
    },

    open: function (id, url) {
      var one = RtWebSocket.sockets[id];
      try {
        one.socket = new WebSocket(url);
      } catch (error) {
        RtWebSocket.abort(one, 3); // no address, or one that this page may not use
        return;
      }
      one.socket.binaryType = "arraybuffer";
      one.socket.onopen = function () {
        if (one.state !== 0) return;
        one.state = 1;
        for (var i = 0; i < one.unsent.length; i++) one.socket.send(one.unsent[i]);
        one.unsent = [];
        one.unsentBytes = 0;
      };
      one.socket.onmessage = function (event) {
        RtWebSocket.receive(one, event.data);
      };
      one.socket.onerror = function () {}; // what follows is onclose
      one.socket.onclose = function (event) {
        if (one.state !== 2) {
          one.state = 2;
          one.end = event.wasClean ? 2 : 3;
        }
        one.code = event.code;
        if (one.released) delete RtWebSocket.sockets[id];
      };
    },
  },

  RtWebSocketOpen: function (url, inboundBytes, outboundBytes, ping, pong) {
    var id = RtWebSocket.next++;
    RtWebSocket.sockets[id] = {
      state: 0, end: 0, code: 0, socket: null, released: false,
      waiting: [], waitingBytes: 0, inboundBytes: inboundBytes,
      unsent: [], unsentBytes: 0, outboundBytes: outboundBytes,
      ping: UTF8ToString(ping), pong: UTF8ToString(pong),
    };
    RtWebSocket.open(id, UTF8ToString(url));
    return id;
  },

  RtWebSocketState: function (id) {
    return RtWebSocket.get(id).state;
  },

  RtWebSocketEnd: function (id) {
    return RtWebSocket.get(id).end;
  },

  RtWebSocketCloseCode: function (id) {
    return RtWebSocket.get(id).code;
  },

  RtWebSocketWaiting: function (id) {
    return RtWebSocket.unsent(RtWebSocket.get(id));
  },

  /** How many bytes the next message has; -1: there is none. */
  RtWebSocketNextLength: function (id) {
    var waiting = RtWebSocket.get(id).waiting;
    return waiting.length > 0 ? waiting[0].bytes.length : -1;
  },

  RtWebSocketNextIsText: function (id) {
    var waiting = RtWebSocket.get(id).waiting;
    return waiting.length > 0 && waiting[0].isText ? 1 : 0;
  },

  /** Take the next message; there has to be room for as many bytes as it has. */
  RtWebSocketTake: function (id, bytes) {
    var one = RtWebSocket.get(id);
    var message = one.waiting.shift();
    if (!message) return;
    one.waitingBytes -= message.bytes.length + RtWebSocket.frameBytes;
    HEAPU8.set(message.bytes, bytes);
  },

  RtWebSocketSend: function (id, bytes, length, isText) {
    var one = RtWebSocket.get(id);
    if (one.state === 2 || one.released) return;
    var data = HEAPU8.slice(bytes, bytes + length); // a copy: the game's memory moves
    if (isText) data = new TextDecoder("utf-8", { ignoreBOM: true }).decode(data);
    var size = length + RtWebSocket.frameBytes;
    var unsent = RtWebSocket.unsent(one);
    if (unsent > 0 && unsent + size > one.outboundBytes) RtWebSocket.abort(one, 5);
    else if (one.state === 1) one.socket.send(data);
    else {
      one.unsent.push(data);
      one.unsentBytes += size;
    }
  },

  /** Send what waits, say goodbye, and forget it. */
  RtWebSocketClose: function (id) {
    var one = RtWebSocket.get(id);
    one.released = true;
    if (one.state === 2) {
      delete RtWebSocket.sockets[id];
      return;
    }
    if (one.state === 0) {
      RtWebSocket.abort(one, 1);
      return;
    }
    one.end = 1;
    one.state = 2;
    one.socket.close(1000);
  },

  RtWebSocketAbort: function (id) {
    RtWebSocket.abort(RtWebSocket.get(id), 1);
  },

  RtWebSocketFree: function (id) {
    RtWebSocket.abort(RtWebSocket.get(id), 1);
    delete RtWebSocket.sockets[id];
  },
};

autoAddDeps(RtWebSocketLibrary, "$RtWebSocket");
mergeInto(LibraryManager.library, RtWebSocketLibrary);
