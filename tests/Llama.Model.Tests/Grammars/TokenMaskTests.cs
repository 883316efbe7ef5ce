using Llama.Model.Grammars;

namespace Llama.Model.Tests.Grammars;

public sealed class TokenMaskTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(0.001)]
    [InlineData(0.5)]
    [InlineData(0.999)]
    [InlineData(1)]
    public void Read_WhatWasWritten_IsTheSame(double share)
    {
        var random = new Random(3);
        foreach (int size in (int[])[1, 63, 64, 65, 1000, 128_256])
        {
            ulong[] bits = new ulong[(size + 63) / 64];
            for (int i = 0; i < size; i++) bits[i >> 6] |= random.NextDouble() < share ? 1UL << (i & 63) : 0;
            byte[] mask = TokenMask.Write(bits, size);
            ulong[] read = new ulong[bits.Length];
            TokenMask.Read(mask, read);
            Assert.Equal(bits, read);
            Assert.Null(TokenMask.FindFault(mask, size));
            Assert.Equal(bits.All(word => word == 0), TokenMask.IsEmpty(mask));
            Assert.InRange(mask.Length, 1, TokenMask.MostBytes(size));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("02")]
    [InlineData("0180")]
    [InlineData("01FFFFFFFFFF")]
    [InlineData("0141")]
    [InlineData("00FFFFFFFFFFFFFFFFFF")]
    public void FindFault_WhatIsNoMaskOf64Tokens_IsNamed(string hex) => Assert.NotNull(TokenMask.FindFault(Convert.FromHexString(hex), 64));
}
