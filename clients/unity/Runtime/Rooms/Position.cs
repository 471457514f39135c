using System;

namespace RtService
{
    /// <summary>
    /// A place in a room's history. Everything that is needed to catch up is the last one that was seen. A new epoch means
    /// that the history started again.
    /// </summary>
    public struct Position : IEquatable<Position>
    {
        /// <summary>A position that was noted earlier.</summary>
        public Position(string epoch, long offset)
        {
            Epoch = epoch;
            Offset = offset;
        }

        /// <summary>Of which history.</summary>
        public string Epoch { get; private set; }

        /// <summary>How far in it: the offset of the last publication.</summary>
        public long Offset { get; private set; }

        /// <summary>Whether both are the same place.</summary>
        public bool Equals(Position other)
        {
            return Epoch == other.Epoch && Offset == other.Offset;
        }

        /// <inheritdoc />
        public override bool Equals(object other)
        {
            return other is Position && Equals((Position)other);
        }

        /// <inheritdoc />
        public override int GetHashCode()
        {
            return (Epoch == null ? 0 : Epoch.GetHashCode()) ^ Offset.GetHashCode();
        }

        /// <summary>As <c>epoch:offset</c>, for the log.</summary>
        public override string ToString()
        {
            return Epoch + ":" + Offset;
        }

        internal JsonValue ToJson()
        {
            return new JsonObject { { "epoch", Epoch }, { "offset", Offset } };
        }

        internal static Position From(JsonValue value)
        {
            return new Position(value["epoch"].AsString(""), value["offset"].AsLong());
        }
    }
}
