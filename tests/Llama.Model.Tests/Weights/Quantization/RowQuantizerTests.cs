using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Tests.Weights.Quantization;

public unsafe class RowQuantizerTests
{
    [Fact]
    public void Quantize_Q8_0_GivesTheGreatest127AndRoundsHalvesAway()
    {
        // d = 254 / 127 = 2.
        float[] row = new float[32];
        (row[0], row[1], row[2], row[3], row[4], row[5]) = (-254, 253, 1, -1, 3, 0.99f);
        byte[] block = Quantize(ElementType.Q8_0, row);
        Assert.Equal([0x00, 0x40, 0x81, 127, 1, 0xff, 2, 0], block[..8]);
    }

    [Fact]
    public void Quantize_Q8_0JustBelowHalf_RoundsToZero()
    {
        float[] row = new float[32];
        (row[0], row[1]) = (127, MathF.BitDecrement(0.5f));
        Assert.Equal(0, Quantize(ElementType.Q8_0, row)[3]);
    }

    [Fact]
    public void Quantize_Q4_0_GivesTheGreatestMinusEight()
    {
        // 4 is the greatest in magnitude: d = -0.5; elements n with (n - 8) × -0.5, halves up.
        float[] row = new float[32];
        (row[0], row[1], row[2], row[16], row[17]) = (4, -3.5f, 0.25f, 1, -4);
        byte[] block = Quantize(ElementType.Q4_0, row);
        Assert.Equal([0x00, 0xb8], block[..2]);
        Assert.Equal([0 | (6 << 4), 15 | (15 << 4), 8 | (8 << 4)], block[2..5]);
    }

    [Theory]
    [InlineData(ElementType.Q8_0)]
    [InlineData(ElementType.Q4_0)]
    [InlineData(ElementType.Q4_K)]
    public void Quantize_Zeros_GivesZeros(ElementType type) =>
        Assert.All(BlockRowsTests.Dequantize(type, Quantize(type, new float[256])), value => Assert.Equal(0, value));

    [Fact]
    public void Quantize_Q4_KOfItsOwnLevels_GivesThemBack()
    {
        // Scale 3 and minimum 20 (in units that the block's half-precision scales hold exactly) over all sixteen levels.
        float[] row = [.. Enumerable.Range(0, 256).Select(i => (i % 16 * 3f) - 20)];
        float[] found = BlockRowsTests.Dequantize(ElementType.Q4_K, Quantize(ElementType.Q4_K, row));
        for (int i = 0; i < row.Length; i++) Assert.Equal(row[i], found[i], 0.02f);
    }

    [Theory]
    [InlineData(ElementType.Q8_0, 0.006)]
    [InlineData(ElementType.Q4_0, 0.092)]
    [InlineData(ElementType.Q4_K, 0.077)]
    public void Quantize_NormalRow_HasTheFormatsError(ElementType type, double most)
    {
        var random = new Random(5);
        float[] row = [.. Enumerable.Range(0, 256 * 64).Select(_ => (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())))];
        float[] found = BlockRowsTests.Dequantize(type, Quantize(type, row));
        double error = Math.Sqrt(row.Zip(found, (a, b) => (double)(a - b) * (a - b)).Sum() / row.Sum(a => (double)a * a));
        Assert.InRange(error, most / 2, most);
    }

    [Fact]
    public void Quantize_Q4_KOfPositiveNumbers_HasNoGreaterErrorThanFromZero()
    {
        float[] row = [.. Enumerable.Range(0, 256).Select(i => 1 + (i % 7 / 7f))];
        byte[] block = Quantize(ElementType.Q4_K, row);
        Assert.All(BlockRowsTests.Dequantize(ElementType.Q4_K, block).Zip(row), pair => Assert.Equal(pair.Second, pair.First, 0.065f));
    }

    [Fact]
    public void Quantize_ShortFloats_RoundToNearestEven()
    {
        float[] row = [1, 1 + (1 / 256f), 1 + (3 / 256f), float.NaN, -2, 65_520, 1e-8f, 0.1f, 1 + (1 / 2048f)];
        byte[] short16 = Quantize(ElementType.BF16, row);
        Assert.Equal([0x3f80, 0x3f80, 0x3f82], Words(short16)[..3]);
        Assert.True((Words(short16)[3] & 0x7fff) > 0x7f80);
        Assert.Equal(row.Where(value => !float.IsNaN(value)).Select(value => BitConverter.HalfToUInt16Bits((Half)value)),
            Words(Quantize(ElementType.F16, row)).Where((_, i) => i != 3));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void Quantize_NotFinite_WritesABlock(float value)
    {
        float[] row = [.. Enumerable.Range(0, 256).Select(i => i == 77 ? value : i)];
        foreach (ElementType type in RowQuantizer.Types) Assert.Equal(type.Bytes(256), Quantize(type, row).Length);
    }

    private static ushort[] Words(byte[] bytes) => [.. bytes.Chunk(2).Select(pair => BitConverter.ToUInt16(pair))];

    private static byte[] Quantize(ElementType type, float[] row)
    {
        byte[] bytes = new byte[type.Bytes(row.Length)];
        fixed (float* source = row)
        fixed (byte* target = bytes) RowQuantizer.Quantize(type, source, target, row.Length);
        return bytes;
    }
}
