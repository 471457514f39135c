using System.Collections.Generic;
using System.Text;

namespace RtService
{
    /// <summary>Reads Socket.IO packets, strictly.</summary>
    internal sealed class PacketReader
    {
        private const int PartsMost = 1000000; // an answer to `join` holds many publications; memory is bounded by bytes

        private const int DigitsMost = 15;

        private readonly JsonReader _json = new JsonReader();
        private readonly NameCache _namespaces = new NameCache();
        private byte[] _bytes;
        private int _at;
        private int _end;

        /// <summary>Read the text of a packet, from behind the 4 of Engine.IO.</summary>
        /// <exception cref="MalformedPacketException">It is none.</exception>
        public Packet Read(byte[] bytes, int start, int count)
        {
            _bytes = bytes;
            _at = start;
            _end = start + count;
            var packet = new Packet { Type = ReadType() };
            if (packet.Type >= PacketType.BinaryEvent)
            {
                packet.Parts = ReadParts();
                packet.Type -= PacketType.BinaryEvent - PacketType.Event;
            }
            packet.Namespace = ReadNamespace();
            packet.Id = _at < _end && IsDigit() ? ReadNumber() : Packet.NoId;
            packet.Data = ReadData();
            Check(packet);
            _bytes = null;
            return packet;
        }

        /// <summary>Put the binary parts where their placeholders are.</summary>
        /// <exception cref="MalformedPacketException">They are not those of the placeholders, each once.</exception>
        public static void Place(ref Packet packet, List<byte[]> parts)
        {
            packet.Data = Placed(packet.Data, parts, new bool[parts.Count]);
            packet.Parts = 0;
        }

        private static JsonValue Placed(JsonValue value, List<byte[]> parts, bool[] used)
        {
            var array = value.AsArray();
            if (array != null)
            {
                for (var i = 0; i < array.Count; i++) array[i] = Placed(array[i], parts, used);
                return value;
            }
            var fields = value.AsObject();
            if (fields == null) return value;
            if (fields["_placeholder"].AsBool()) return parts[PartOf(fields, used)];
            for (var i = 0; i < fields.Count; i++)
            {
                var field = fields.At(i);
                if (field.Value.Count > 0) fields[field.Key] = Placed(field.Value, parts, used);
            }
            return value;
        }

        private static int PartOf(JsonObject placeholder, bool[] used)
        {
            var number = placeholder["num"].Kind == JsonKind.Integer ? placeholder["num"].AsLong() : -1;
            if (number < 0 || number >= used.Length || used[number])
                throw new MalformedPacketException("a placeholder stands for no binary part, or for one that stands elsewhere");
            used[number] = true;
            return (int)number;
        }

        private PacketType ReadType()
        {
            var type = _at < _end ? _bytes[_at++] - '0' : -1;
            if (type < 0 || type > (int)PacketType.BinaryAck) throw new MalformedPacketException("there is no such packet type");
            return (PacketType)type;
        }

        private int ReadParts()
        {
            var count = ReadNumber();
            var dash = _at < _end && _bytes[_at++] == '-';
            if (!dash || count == 0 || count > PartsMost)
                throw new MalformedPacketException("a packet with binary parts has 1 to " + PartsMost);
            return (int)count;
        }

        private string ReadNamespace()
        {
            if (_at == _end || _bytes[_at] != '/') return "/";
            var start = _at;
            while (_at < _end && _bytes[_at] != ',') _at++;
            var length = _at - start;
            if (_at < _end) _at++;
            return _namespaces.Get(_bytes, start, length) ?? Encoding.UTF8.GetString(_bytes, start, length);
        }

        private bool IsDigit()
        {
            return _bytes[_at] >= '0' && _bytes[_at] <= '9';
        }

        private long ReadNumber()
        {
            var start = _at;
            var number = 0L;
            for (; _at < _end && IsDigit() && _at - start <= DigitsMost; _at++) number = number * 10 + (_bytes[_at] - '0');
            if (_at == start || _at - start > DigitsMost) throw new MalformedPacketException("a number is missing or too long");
            return number;
        }

        private JsonValue ReadData()
        {
            if (_at == _end) return JsonValue.Null;
            try
            {
                return _json.Read(_bytes, _at, _end - _at);
            }
            catch (JsonException error)
            {
                throw new MalformedPacketException(error.Message);
            }
        }

        private static void Check(Packet packet)
        {
            var kind = packet.Data.Kind;
            bool good;
            switch (packet.Type)
            {
                case PacketType.Event: good = kind == JsonKind.Array && packet.Data[0].Kind == JsonKind.String; break;
                case PacketType.Ack: good = kind == JsonKind.Array && packet.Id != Packet.NoId; break;
                case PacketType.Connect: good = kind == JsonKind.Null || kind == JsonKind.Object; break;
                case PacketType.Disconnect: good = kind == JsonKind.Null; break;
                default: good = kind == JsonKind.Object || kind == JsonKind.String; break;
            }
            if (!good) throw new MalformedPacketException("the data does not fit the packet");
        }
    }
}
