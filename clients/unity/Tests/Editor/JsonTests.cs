using System;
using System.Text;
using NUnit.Framework;

namespace RtService.Tests
{
    /// <summary>JSON values, as an application uses them.</summary>
    public sealed class JsonTests
    {
        [Test]
        public void ValuesAreWrittenAsTheyAreSpelt()
        {
            JsonValue value = new JsonObject
            {
                { "text", "hi" }, { "n", 3 }, { "big", long.MinValue }, { "x", 0.5 }, { "y", 0.1f }, { "on", true },
                { "none", JsonValue.Null }, { "list", new JsonArray { 1, "two", new JsonObject() } }
            };
            Assert.That(value.ToString(), Is.EqualTo(
                "{\"text\":\"hi\",\"n\":3,\"big\":-9223372036854775808,\"x\":0.5,\"y\":0.1,\"on\":true,\"none\":null,\"list\":[1,\"two\",{}]}"));
        }

        [Test]
        public void WhatIsReadIsThere()
        {
            var value = JsonValue.Parse("{\"at\":[1,2.5,-3e2],\"who\":{\"id\":\"alice\",\"on\":true}}");
            Assert.That(value["at"][0].AsInt(), Is.EqualTo(1));
            Assert.That(value["at"][1].AsFloat(), Is.EqualTo(2.5f));
            Assert.That(value["at"][2].AsDouble(), Is.EqualTo(-300.0));
            Assert.That(value["who"]["id"].AsString(), Is.EqualTo("alice"));
            Assert.That(value["who"]["on"].AsBool(), Is.True);
        }

        [Test]
        public void WhatIsNotThereThrowsNothing()
        {
            var value = JsonValue.Parse("{\"n\":1}");
            Assert.That(value["a"]["b"][3]["c"].IsNull, Is.True);
            Assert.That(value["n"].AsString("none"), Is.EqualTo("none"));
            Assert.That(value["n"]["x"].AsInt(7), Is.EqualTo(7));
            Assert.That(value["a"].AsBool(true), Is.True);
            Assert.That(value[0].IsNull, Is.True);
        }

        [Test]
        public void WholeNumbersKeepAll64Bits()
        {
            foreach (var number in new[] { 0, 1, -1, 9007199254740993, long.MaxValue, long.MinValue, 999999999999999999, 1000000000000000000 })
            {
                var read = JsonValue.Parse(((JsonValue)number).ToString());
                Assert.That(read.Kind, Is.EqualTo(JsonKind.Integer));
                Assert.That(read.AsLong(), Is.EqualTo(number));
            }
            Assert.That(JsonValue.Parse("9223372036854775808").Kind, Is.EqualTo(JsonKind.Number));
            Assert.That(JsonValue.Parse("9223372036854775808").AsLong(-1), Is.EqualTo(-1));
        }

        [Test]
        public void BinaryThatCameAsBase64IsBinaryToo()
        {
            Assert.That(JsonValue.Parse("{\"$base64\":\"AP8=\"}").AsBytes(), Is.EqualTo(new byte[] { 0, 255 }));
            Assert.That(JsonValue.Parse("{\"$base64\":\"\"}").AsBytes(), Is.Empty);
            foreach (var other in new[] { "{\"$base64\":\"no\"}", "{\"$base64\":1}", "{}", "[]", "\"AP8=\"" })
                Assert.That(JsonValue.Parse(other).AsBytes(), Is.Null);
        }

        [Test]
        public void AnUlongIsNoFloat()
        {
            JsonValue id = 76561198012345678ul;
            Assert.That(id.ToString(), Is.EqualTo("76561198012345678"));
            Assert.Throws<OverflowException>(() => id = ulong.MaxValue);
        }

        [Test]
        public void ANumberThatIsNoFloatIsNotInfinite()
        {
            Assert.That(JsonValue.Parse("1e300").AsFloat(5), Is.EqualTo(5f));
            Assert.That(JsonValue.Parse("-1e300").AsFloat(5), Is.EqualTo(5f));
            Assert.That(JsonValue.Parse("\"x\"").AsFloat(5), Is.EqualTo(5f));
        }

        [Test]
        public void NumbersAreReadAsTheyWereWritten()
        {
            var random = new Random(1);
            var bytes = new byte[8];
            for (var i = 0; i < 20000; i++)
            {
                random.NextBytes(bytes);
                var number = i % 2 == 0 ? BitConverter.ToDouble(bytes, 0) : Math.Round(random.NextDouble() * 1000, i % 9);
                if (double.IsNaN(number) || double.IsInfinity(number)) continue;
                Assert.That(JsonValue.Parse(((JsonValue)number).ToString()).AsDouble(), Is.EqualTo(number));
                var single = (float)number;
                if (!float.IsInfinity(single)) Assert.That(JsonValue.Parse(((JsonValue)single).ToString()).AsFloat(), Is.EqualTo(single));
            }
        }

        [Test]
        public void WhatJsonHasNoFormForIsRefused()
        {
            Assert.Throws<JsonException>(() => ((JsonValue)double.NaN).ToString());
            Assert.Throws<JsonException>(() => ((JsonValue)float.PositiveInfinity).ToString());
            Assert.Throws<JsonException>(() => ((JsonValue)"\ud83d").ToString());
            Assert.Throws<JsonException>(() => JsonValue.Parse("\"\ud83d\""));
            var loop = new JsonArray();
            loop.Add(loop);
            Assert.Throws<JsonException>(() => loop.ToString());
        }

        [Test]
        public void DeepNestingIsRefusedBeforeTheStackEnds()
        {
            Assert.That(JsonValue.Parse(Nested(256))[0][0].Count, Is.EqualTo(1));
            Assert.Throws<JsonException>(() => JsonValue.Parse(Nested(257)));
            Assert.Throws<JsonException>(() => JsonValue.Parse(Nested(1000000)));
            Assert.Throws<JsonException>(() => JsonValue.Parse(new StringBuilder().Insert(0, "{\"a\":", 1000000).ToString()));
        }

        [Test]
        public void AValueAfterOneThatWasRefusedIsRead()
        {
            var reader = new JsonReader();
            for (var i = 0; i < 300; i++) Assert.Throws<JsonException>(() => reader.Read("[[[1"));
            Assert.That(reader.Read("[[[1]]]").ToString(), Is.EqualTo("[[[1]]]"));
        }

        [Test]
        public void BinaryStandsAsBase64WhereThereIsOnlyJson()
        {
            JsonValue value = new JsonObject { { "b", new byte[] { 0, 255 } } };
            Assert.That(value.ToString(), Is.EqualTo("{\"b\":{\"$base64\":\"AP8=\"}}"));
        }

        [Test]
        public void EqualMeansTheSameValue()
        {
            var one = JsonValue.Parse("{\"a\":[1,2.0],\"b\":null}");
            Assert.That(one, Is.EqualTo(JsonValue.Parse("{\"b\":null,\"a\":[1.0,2]}")));
            Assert.That(one.GetHashCode(), Is.EqualTo(JsonValue.Parse("{\"b\":null,\"a\":[1.0,2]}").GetHashCode()));
            foreach (var other in new[] { "{\"a\":[1,2]}", "{\"a\":[1,2],\"c\":null}", "{\"a\":[1,3],\"b\":null}", "[]", "null", "1" })
                Assert.That(one, Is.Not.EqualTo(JsonValue.Parse(other)));
        }

        [Test]
        public void AnObjectKeepsTheOrderOfItsFieldsAndFindsEach()
        {
            var fields = new JsonObject();
            for (var i = 0; i < 1000; i++) fields["k" + i] = i;
            fields["k500"] = "changed";
            Assert.That(fields.Count, Is.EqualTo(1000));
            Assert.That(fields["k999"].AsInt(), Is.EqualTo(999));
            Assert.That(fields.At(500).Value.AsString(), Is.EqualTo("changed"));
            Assert.Throws<ArgumentException>(() => fields.Add("k1", 1));
        }

        [Test]
        public void RandomTextIsReadOrRefusedAndNothingElse()
        {
            var random = new Random(2);
            const string alphabet = "{}[]:,\"\\ue0123456789.-+trufalsn \n\u00e9";
            for (var i = 0; i < 20000; i++)
            {
                var text = new StringBuilder();
                for (var n = random.Next(20); n > 0; n--) text.Append(alphabet[random.Next(alphabet.Length)]);
                try
                {
                    var value = JsonValue.Parse(text.ToString());
                    Assert.That(JsonValue.Parse(value.ToString()), Is.EqualTo(value));
                }
                catch (JsonException)
                {
                }
            }
        }

        private static string Nested(int depth)
        {
            return new string('[', depth) + new string(']', depth);
        }
    }
}
