using System;

namespace RtService
{
    internal enum PacketType
    {
        Connect,
        Disconnect,
        Event,
        Ack,
        ConnectError,
        BinaryEvent,
        BinaryAck
    }

    /// <summary>A Socket.IO v5 packet.</summary>
    internal struct Packet
    {
        public const long NoId = -1;

        public PacketType Type; // never BinaryEvent or BinaryAck: Parts says as much
        public string Namespace;
        public long Id;
        public JsonValue Data;
        public int Parts; // how many binary parts are to follow
    }

    /// <summary>What the other side sent is no packet.</summary>
    internal sealed class MalformedPacketException : Exception
    {
        public MalformedPacketException(string message) : base(message)
        {
        }
    }
}
