using System.Collections.Generic;

namespace RtService
{
    /// <summary>Writes Socket.IO packets, behind the 4 of Engine.IO. One can be used again and again, by one thread.</summary>
    internal sealed class PacketWriter
    {
        private readonly Utf8Buffer _text = new Utf8Buffer();
        private readonly Utf8Buffer _data = new Utf8Buffer();

        /// <summary>The binary parts of what was written last.</summary>
        public readonly List<byte[]> Parts = new List<byte[]>();

        /// <summary>The text of a packet; what is binary in <paramref name="data"/> is in <see cref="Parts"/>.</summary>
        /// <exception cref="JsonException">JSON has no form for the data.</exception>
        public byte[] Write(PacketType type, string name, long id, JsonValue data)
        {
            Parts.Clear();
            _data.Clear();
            _text.Clear();
            if (!data.IsNull) new JsonWriter(_data, Parts).Write(data);
            if (Parts.Count > 0) type += PacketType.BinaryEvent - PacketType.Event;
            _text.Add((byte)'4');
            _text.AddNumber((int)type);
            if (Parts.Count > 0)
            {
                _text.AddNumber(Parts.Count);
                _text.Add((byte)'-');
            }
            if (name != "/")
            {
                _text.AddAscii(name);
                _text.Add((byte)',');
            }
            if (id != Packet.NoId) _text.AddNumber(id);
            _text.Add(_data.Bytes, 0, _data.Length);
            return _text.ToArray();
        }
    }
}
