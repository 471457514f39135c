using System;
using System.Collections.Generic;

namespace RtService
{
    /// <summary>What is said in a room, or to somebody alone.</summary>
    public sealed class Publication
    {
        private static readonly DateTime Epoch = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);

        internal Publication(JsonValue value)
        {
            Room = value["room"].AsString();
            Event = value["event"].AsString("");
            Data = value["data"];
            From = new Identity(value["from"]);
            Id = value["id"].AsString("");
            Offset = value["offset"].IsNumber ? value["offset"].AsLong() : (long?)null;
            AtMs = value["at"].AsLong();
            Key = value["key"].AsString();
        }

        /// <summary>The room; null if it was sent to this client alone.</summary>
        public string Room { get; private set; }

        /// <summary>The name of its event.</summary>
        public string Event { get; private set; }

        /// <summary>What is said.</summary>
        public JsonValue Data { get; private set; }

        /// <summary>Who said it.</summary>
        public Identity From { get; private set; }

        /// <summary>Its id, by which a repetition is recognised.</summary>
        public string Id { get; private set; }

        /// <summary>Grows by one with each kept publication of the room; null if it is not kept in the history.</summary>
        public long? Offset { get; private set; }

        /// <summary>When, in milliseconds of Unix time, by the service's clock.</summary>
        public long AtMs { get; private set; }

        /// <summary>When, in UTC.</summary>
        public DateTime At { get { return Epoch.AddMilliseconds(AtMs); } }

        /// <summary>Of what it is the newest value, or null.</summary>
        public string Key { get; private set; }

        internal static IReadOnlyList<Publication> All(JsonValue values)
        {
            var publications = new List<Publication>(values.Count);
            for (var i = 0; i < values.Count; i++) publications.Add(new Publication(values[i]));
            return publications;
        }
    }

    /// <summary>What becomes of a publication.</summary>
    public enum PublicationClass
    {
        /// <summary>It gets an offset, and is there for who comes back.</summary>
        Kept,

        /// <summary>Only the newest of its key is kept, outside the history.</summary>
        Latest,

        /// <summary>It is sent once, now or never, and the first thing dropped for a slow reader.</summary>
        Volatile
    }

    /// <summary>How to publish.</summary>
    public sealed class PublishOptions
    {
        /// <summary>How long it is kept.</summary>
        public PublicationClass Class = PublicationClass.Kept;

        /// <summary>Of what it is the newest value. A <c>Latest</c> one without a key has its event name for one.</summary>
        public string Key;

        /// <summary>How long to try, in milliseconds; at most 240,000.</summary>
        public int DeadlineMs = 30000;
    }

    /// <summary>Where a publication is kept.</summary>
    public sealed class Published
    {
        internal Published(string id, string epoch, long? offset)
        {
            Id = id;
            Epoch = epoch;
            Offset = offset;
        }

        internal Published(JsonValue answer) : this(
            answer["id"].AsString(), answer["epoch"].AsString(), answer["offset"].IsNumber ? answer["offset"].AsLong() : (long?)null)
        {
        }

        /// <summary>The id that it has.</summary>
        public string Id { get; private set; }

        /// <summary>Of which history its offset is.</summary>
        public string Epoch { get; private set; }

        /// <summary>Its offset; null if it is not kept in the history.</summary>
        public long? Offset { get; private set; }
    }

    /// <summary>Some of a room's history.</summary>
    public sealed class HistoryPage
    {
        internal HistoryPage(JsonValue answer)
        {
            Position = Position.From(answer);
            Publications = Publication.All(answer["publications"]);
            More = answer["more"].AsBool();
        }

        /// <summary>Where the room is now.</summary>
        public Position Position { get; private set; }

        /// <summary>What was read, in the order that was asked for.</summary>
        public IReadOnlyList<Publication> Publications { get; private set; }

        /// <summary>Whether the limit cut it.</summary>
        public bool More { get; private set; }
    }
}
