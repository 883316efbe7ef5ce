using System.Runtime.Intrinsics;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Tests.Weights.Quantization;

public class HalfBitsTests
{
    [Fact]
    public void ToSingle_EveryHalf_IsItsValue()
    {
        for (int bits = 0; bits <= ushort.MaxValue; bits++)
        {
            float expected = (float)BitConverter.UInt16BitsToHalf((ushort)bits);
            float found = HalfBits.ToSingle((ushort)bits);
            Assert.True(float.IsNaN(expected) ? float.IsNaN(found) : SameBits(expected, found), $"{bits:x4}: {found} for {expected}");
        }
    }

    [Fact]
    public void FromSingle_EveryExponentAndRounding_IsTheNearestHalf()
    {
        var random = new Random(1);
        for (int i = 0; i < 400_000; i++)
        {
            // Exponents around the half-precision range, and fractions that lie on and beside the middle of two numbers.
            uint exponent = (uint)random.Next(90, 150) << 23, fraction = (uint)random.Next(1 << 23);
            if (i % 2 == 0) fraction = ((fraction & 0x7fe000) | 0x1000) + (uint)random.Next(-1, 2);
            float value = BitConverter.UInt32BitsToSingle((exponent + fraction) | ((uint)random.Next(2) << 31));
            Assert.True(BitConverter.HalfToUInt16Bits((Half)value) == HalfBits.FromSingle(value), $"{value:R}");
        }
    }

    [Theory]
    [InlineData(0f, 0x0000)]
    [InlineData(-0f, 0x8000)]
    [InlineData(65504f, 0x7bff)]
    [InlineData(65520f, 0x7c00)]
    [InlineData(1e30f, 0x7c00)]
    [InlineData(float.NegativeInfinity, 0xfc00)]
    [InlineData(float.NaN, 0xfe00)]
    public void FromSingle_SpecialNumber_IsItsHalf(float value, int expected)
    {
        Assert.Equal(expected, HalfBits.FromSingle(value));
        Assert.Equal((uint)expected, HalfBits.FromSingle(Vector256.Create(value)).GetElement(7));
    }

    private static bool SameBits(float a, float b) => BitConverter.SingleToUInt32Bits(a) == BitConverter.SingleToUInt32Bits(b);
}
