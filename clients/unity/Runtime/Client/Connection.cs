using System.Collections.Generic;
using System.Text;

namespace RtService
{
    /// <summary>
    /// One WebSocket to the service: Engine.IO v4 and the packets of Socket.IO v5, for all namespaces. It calls nobody; the
    /// client reads packets out of it.
    /// </summary>
    internal sealed class Connection
    {
        private const int OpeningMs = 15000;
        private const int SendablePartsMost = 64; // the service's `limits.attachments`
        private const char OpenType = '0', CloseType = '1', PingType = '2', MessageType = '4';

        private readonly ITransport _transport;
        private readonly PacketReader _reader = new PacketReader();
        private readonly PacketWriter _writer = new PacketWriter();
        private readonly List<byte[]> _parts = new List<byte[]>();
        private Packet _partial;
        private long _partBytes;
        private long _patienceMs = OpeningMs;
        private long _silentMs;
        private bool _heard = true; // what went by before it was there is no silence
        private long _maxPayload = long.MaxValue;

        public Connection(ITransport transport, string url, int inboundBytes, int outboundBytes)
        {
            _transport = transport;
            var options = new TransportOptions
            {
                InboundBytes = inboundBytes, OutboundBytes = outboundBytes, Ping = PingType.ToString(), Pong = "3"
            };
            transport.Open(url, options);
        }

        /// <summary>Whether the service has said hello.</summary>
        public bool IsOpen { get; private set; }

        /// <summary>Why it ended, one word for <see cref="RtCounters"/>; null while it has not.</summary>
        public string Ended { get; private set; }

        /// <summary>More about it, for the log.</summary>
        public string Detail { get; private set; }

        public int WaitingBytes { get { return _transport.WaitingBytes; } }

        /// <summary>The next packet, if there is one now. At the end of them all <see cref="Ended"/> is set.</summary>
        public bool Read(out Packet packet)
        {
            packet = default(Packet);
            Frame frame;
            var closed = _transport.State == TransportState.Closed; // before: what comes in between comes before it
            while (Ended == null && _transport.TryReceive(out frame))
            {
                _heard = true;
                try
                {
                    if (Take(frame, ref packet)) return true;
                }
                catch (MalformedPacketException error)
                {
                    Break("violation", error.Message);
                }
            }
            if (Ended == null && closed) Break(Name(_transport.End), _transport.Detail);
            return false;
        }

        /// <summary>So much time went by since the last call. Call it when everything was read.</summary>
        public void Wait(long ms)
        {
            _silentMs = _heard ? 0 : _silentMs + ms;
            _heard = false;
            if (_silentMs > _patienceMs && Ended == null) Break("silent", "nothing came for " + _silentMs + " ms");
        }

        /// <exception cref="RtException"><c>too_large</c>: the service would end the connection.</exception>
        /// <exception cref="JsonException">JSON has no form for the data.</exception>
        public void Send(PacketType type, string name, long id, JsonValue data)
        {
            var text = _writer.Write(type, name, id, data);
            long largest = text.Length;
            foreach (var part in _writer.Parts)
                if (part.Length > largest) largest = part.Length;
            if (largest > _maxPayload) throw new RtException("too_large", "a message is at most " + _maxPayload + " bytes");
            if (_writer.Parts.Count > SendablePartsMost)
                throw new RtException("too_large", "a message has at most " + SendablePartsMost + " binary parts");
            _transport.Send(new Frame(text, true));
            foreach (var part in _writer.Parts) _transport.Send(new Frame(part, false));
        }

        /// <summary>End it from here, with a goodbye.</summary>
        public void Close()
        {
            _transport.Close();
            Ended = Ended ?? "done";
        }

        /// <summary>End it from here, without one: the service expects this client back.</summary>
        public void Break(string why, string detail)
        {
            _transport.Dispose();
            Ended = Ended ?? why;
            Detail = detail;
        }

        private bool Take(Frame frame, ref Packet packet)
        {
            if (!frame.IsText) return TakePart(frame.Bytes, ref packet);
            var type = frame.Bytes.Length > 0 ? (char)frame.Bytes[0] : '\0';
            if (_partial.Parts > 0 && type != PingType) throw new MalformedPacketException("a binary part is missing");
            if (type == OpenType) Open(frame.Bytes);
            else if (type == CloseType) Break("closed", "by the service");
            else if (type == MessageType)
            {
                packet = _reader.Read(frame.Bytes, 1, frame.Bytes.Length - 1);
                if (packet.Parts == 0) return true;
                _partial = packet;
                _partBytes = frame.Bytes.Length;
            }
            return false; // pings are answered by the transport; of other types there is nothing to do
        }

        private bool TakePart(byte[] bytes, ref Packet packet)
        {
            if (_partial.Parts == 0) throw new MalformedPacketException("there is a binary part that belongs to nothing");
            _parts.Add(bytes);
            _partBytes += bytes.Length + TransportOptions.FrameBytes;
            if (_partBytes > TransportOptions.MessageBytes) Break("inbound_full", "the parts of a packet are too large together");
            if (_parts.Count < _partial.Parts || Ended != null) return false;
            packet = _partial;
            _partial = default(Packet);
            try
            {
                PacketReader.Place(ref packet, _parts);
            }
            finally
            {
                _parts.Clear();
            }
            return true;
        }

        private void Open(byte[] bytes)
        {
            try
            {
                var hello = JsonValue.Parse(Encoding.UTF8.GetString(bytes, 1, bytes.Length - 1));
                _maxPayload = hello["maxPayload"].AsLong(long.MaxValue);
                _patienceMs = hello["pingInterval"].AsLong(25000) + hello["pingTimeout"].AsLong(20000);
                IsOpen = true;
            }
            catch (JsonException error)
            {
                throw new MalformedPacketException("the service's hello: " + error.Message);
            }
        }

        private static string Name(TransportEnd end)
        {
            switch (end)
            {
                case TransportEnd.InboundFull: return "inbound_full";
                case TransportEnd.OutboundFull: return "outbound_full";
                case TransportEnd.There: return "closed";
                default: return "lost";
            }
        }
    }
}
