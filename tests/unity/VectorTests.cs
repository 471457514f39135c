using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using NUnit.Framework;

namespace RtService.Tests
{
    /// <summary>The vectors that Python and JavaScript run too.</summary>
    public sealed class VectorTests
    {
        [Test]
        public void JsonIsReadAsTheVectorsSay()
        {
            Each("json", "values", vector => Assert.That(Read(vector), Is.EqualTo(ValueOf(vector["is"]))));
        }

        [Test]
        public void JsonIsWrittenAsTheVectorsSay()
        {
            Each("json", "written", vector => Assert.That(ValueOf(vector["is"]).ToString(), Is.EqualTo(vector["text"].AsString())));
        }

        [Test]
        public void WhatIsNoJsonIsRefused()
        {
            Each("json", "malformed", vector => Assert.Throws<JsonException>(() => Read(vector)));
            Each("json", "refused_where_it_can_be", vector => Assert.Throws<JsonException>(() => Read(vector)));
        }

        [Test]
        public void PacketsAreReadAsTheVectorsSay()
        {
            Each("socketio_packets", "packets", vector =>
            {
                var packet = ReadPacket(vector);
                Assert.That((long)packet.Type, Is.EqualTo(vector["type"].AsLong()));
                Assert.That(packet.Namespace, Is.EqualTo(vector["namespace"].AsString()));
                Assert.That(packet.Id, Is.EqualTo(vector["id"].AsLong(Packet.NoId)));
                Assert.That(packet.Data, Is.EqualTo(WithBytes(vector["data"])));
            });
        }

        [Test]
        public void PacketsAreWrittenAsTheVectorsSay()
        {
            var writer = new PacketWriter();
            Each("socketio_packets", "packets", vector =>
            {
                var id = vector["id"].AsLong(Packet.NoId);
                var text = writer.Write((PacketType)vector["type"].AsInt(), vector["namespace"].AsString(), id, WithBytes(vector["data"]));
                Assert.That(Encoding.UTF8.GetString(text), Is.EqualTo("4" + vector["text"].AsString()));
                Assert.That(writer.Parts, Is.EqualTo(Parts(vector)));
            });
        }

        [Test]
        public void WhatIsNoPacketIsRefused()
        {
            foreach (var list in new[] { "malformed", "malformed_with_parts", "refused_where_it_can_be" })
                Each("socketio_packets", list, vector => Assert.Throws<MalformedPacketException>(() => ReadPacket(vector)));
        }

        private static void Each(string file, string list, Action<JsonValue> check)
        {
            var vectors = Host.Vectors(file)[list].AsArray();
            Assert.That(vectors.Count, Is.GreaterThan(1));
            foreach (var vector in vectors)
            {
                try
                {
                    check(vector);
                }
                catch (Exception error)
                {
                    throw new AssertionException(vector["name"].AsString() + ": " + error.Message, error);
                }
            }
        }

        private static JsonValue Read(JsonValue vector)
        {
            var bytes = vector["hex"].IsNull ? Encoding.UTF8.GetBytes(vector["text"].AsString()) : Hex(vector["hex"].AsString());
            return new JsonReader().Read(bytes, 0, bytes.Length);
        }

        /// <summary>What a vector's `is` spells out, without the reader that is tested.</summary>
        private static JsonValue ValueOf(JsonValue spelt)
        {
            switch (spelt[0].AsString())
            {
                case "null": return JsonValue.Null;
                case "true": return true;
                case "false": return false;
                case "number": return NumberOf(spelt[1].AsString());
                case "string": return Encoding.UTF8.GetString(Hex(spelt[1].AsString()));
                case "array":
                    var array = new JsonArray();
                    foreach (var one in spelt[1].AsArray()) array.Add(ValueOf(one));
                    return array;
                default:
                    var fields = new JsonObject();
                    foreach (var one in spelt[1].AsArray()) fields.Add(one[0].AsString(), ValueOf(one[1]));
                    return fields;
            }
        }

        private static JsonValue NumberOf(string text)
        {
            long whole;
            if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out whole)) return whole;
            return double.Parse(text, CultureInfo.InvariantCulture);
        }

        private static Packet ReadPacket(JsonValue vector)
        {
            var bytes = Encoding.UTF8.GetBytes(vector["text"].AsString());
            var packet = new PacketReader().Read(bytes, 0, bytes.Length);
            var parts = Parts(vector);
            Assert.That(packet.Parts, Is.EqualTo(parts.Count));
            if (parts.Count > 0) PacketReader.Place(ref packet, parts);
            return packet;
        }

        private static List<byte[]> Parts(JsonValue vector)
        {
            var parts = new List<byte[]>();
            for (var i = 0; i < vector["attachments"].Count; i++) parts.Add(Hex(vector["attachments"][i].AsString()));
            return parts;
        }

        private static JsonValue WithBytes(JsonValue value)
        {
            if (value.Kind == JsonKind.Array)
            {
                var array = new JsonArray();
                foreach (var one in value.AsArray()) array.Add(WithBytes(one));
                return array;
            }
            if (value.Kind != JsonKind.Object) return value;
            if (!value["hex"].IsNull) return Hex(value["hex"].AsString());
            var fields = new JsonObject();
            foreach (var field in value.AsObject()) fields.Add(field.Key, WithBytes(field.Value));
            return fields;
        }

        private static byte[] Hex(string text)
        {
            var bytes = new byte[text.Length / 2];
            for (var i = 0; i < bytes.Length; i++) bytes[i] = Convert.ToByte(text.Substring(i * 2, 2), 16);
            return bytes;
        }
    }
}
