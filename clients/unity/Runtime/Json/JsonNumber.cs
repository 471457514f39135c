using System.Globalization;
using System.Text;

namespace RtService
{
    /// <summary>The grammar of JSON's numbers. Whole ones that fit are <c>long</c>, all others <c>double</c>.</summary>
    internal static class JsonNumber
    {
        private const int ExactDigits = 15; // so many fit into a double whatever they are
        private const int ExactPower = 22;

        private static readonly double[] Powers =
        {
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
            1e20, 1e21, 1e22
        };

        /// <summary>The number at <paramref name="at"/>, which then stands behind it; null if there is none.</summary>
        public static JsonValue Read(byte[] bytes, ref int at, int end)
        {
            var start = at;
            var negative = at < end && bytes[at] == '-';
            if (negative) at++;
            var whole = at;
            var digits = 0L;
            var count = Digits(bytes, ref at, end, ref digits);
            if (count == 0 || (count > 1 && bytes[whole] == '0')) return JsonValue.Null;
            var power = 0;
            var isWhole = true;
            if (at < end && bytes[at] == '.')
            {
                isWhole = false;
                at++;
                var places = Digits(bytes, ref at, end, ref digits);
                if (places == 0) return JsonValue.Null;
                count += places;
                power = -places;
            }
            if (at < end && (bytes[at] | 0x20) == 'e')
            {
                isWhole = false;
                int exponent;
                if (!Exponent(bytes, ref at, end, out exponent)) return JsonValue.Null;
                power += exponent;
            }
            if (isWhole && count <= 18 && (digits != 0 || !negative)) return negative ? -digits : digits;
            if (count <= ExactDigits && power >= -ExactPower && power <= ExactPower)
            {
                var exact = power < 0 ? digits / Powers[-power] : digits * Powers[power];
                return negative ? -exact : exact;
            }
            return Slowly(Encoding.ASCII.GetString(bytes, start, at - start), isWhole);
        }

        private static int Digits(byte[] bytes, ref int at, int end, ref long digits)
        {
            var start = at;
            for (; at < end && bytes[at] >= '0' && bytes[at] <= '9'; at++)
                digits = unchecked(digits * 10 + (bytes[at] - '0'));
            return at - start;
        }

        private static bool Exponent(byte[] bytes, ref int at, int end, out int exponent)
        {
            at++;
            var negative = at < end && bytes[at] == '-';
            if (negative || (at < end && bytes[at] == '+')) at++;
            var digits = 0L;
            var start = at;
            var count = Digits(bytes, ref at, end, ref digits);
            while (count > 1 && bytes[start] == '0')
            {
                start++;
                count--;
            }
            if (count > 5) digits = 99999; // beyond every double anyway
            exponent = (int)(negative ? -digits : digits);
            return count > 0;
        }

        private static JsonValue Slowly(string text, bool isWhole)
        {
            long whole;
            if (isWhole && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out whole))
                return whole;
            double number;
            var known = double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out number);
            return known && !double.IsInfinity(number) ? number : JsonValue.Null;
        }
    }
}
