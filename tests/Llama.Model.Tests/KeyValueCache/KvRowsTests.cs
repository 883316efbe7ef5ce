using Llama.Model.KeyValueCache;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Tests.KeyValueCache;

public sealed unsafe class KvRowsTests
{
    private const int Count = 96;

    [Theory]
    [InlineData(ElementType.F32)]
    [InlineData(ElementType.F16)]
    [InlineData(ElementType.BF16)]
    [InlineData(ElementType.Q8_0)]
    public void Write_AnyNumbers_HasTheBytesOfWeightsOfTheType(ElementType type)
    {
        var random = new Random(5);
        for (int round = 0; round < 200; round++)
        {
            double scale = Math.Pow(10, random.Next(-45, 5));
            float[] numbers = [.. Enumerable.Range(0, Count).Select(_ => (float)(((random.NextDouble() * 2) - 1) * scale))];
            Assert.Equal(Reference(type, numbers), Write(type, numbers));
        }
    }

    [Fact]
    public void Write_Q8_0Halves_RoundAwayFromZero()
    {
        // The greatest makes the scale one, so that the numbers themselves are rounded.
        float[] numbers = new float[Count];
        float[] some = [127, 0.5f, -0.5f, 1.5f, -2.5f, 0.49999997f, -0.49999997f, 126.5f, -126.49999f, 0, -0f];
        some.CopyTo(numbers, 32);
        byte[] bytes = Write(ElementType.Q8_0, numbers);
        Assert.Equal(Reference(ElementType.Q8_0, numbers), bytes);
        sbyte[] rounded = [.. bytes[36..47].Select(b => (sbyte)b)];
        Assert.Equal([127, 1, -1, 2, -3, 0, 0, 127, -126, 0, 0], rounded);
    }

    [Fact]
    public void Write_F16_RoundsTiesToEven()
    {
        float[] numbers = new float[Count];
        float[] some = [1 + (1 / 2048f), 1 + (3 / 2048f), -1 - (1 / 2048f), 65504];
        some.CopyTo(numbers, 0);
        Assert.Equal([1, 1 + (4 / 2048f), -1, 65504], Read(ElementType.F16, Write(ElementType.F16, numbers))[..4]);
    }

    [Theory]
    [InlineData(ElementType.F32, 0)]
    [InlineData(ElementType.F16, 0.0005)]
    [InlineData(ElementType.BF16, 0.004)]
    [InlineData(ElementType.Q8_0, 0.005)]
    public void Read_WrittenNumbers_AreNearThemAndStayWhenWrittenAgain(ElementType type, double error)
    {
        var random = new Random(6);
        float[] numbers = [.. Enumerable.Range(0, Count).Select(_ => (float)((random.NextDouble() * 2) - 1))];
        byte[] bytes = Write(type, numbers);
        float[] read = Read(type, bytes);
        for (int i = 0; i < Count; i++) Assert.Equal(numbers[i], read[i], error);
        if (type != ElementType.Q8_0) Assert.Equal(bytes, Write(type, read));
    }

    private static byte[] Write(ElementType type, float[] numbers)
    {
        byte[] bytes = new byte[type.Bytes(Count)];
        fixed (float* source = numbers)
        {
            fixed (byte* target = bytes) RowQuantizer.Quantize(type, source, target, Count);
        }

        return bytes;
    }

    /// <summary>What weights of the type have, one number after the other, as ggml's reference goes.</summary>
    private static byte[] Reference(ElementType type, float[] numbers)
    {
        if (type == ElementType.F32) return [.. numbers.SelectMany(BitConverter.GetBytes)];
        if (type == ElementType.F16) return [.. numbers.SelectMany(x => BitConverter.GetBytes((Half)x))];
        if (type == ElementType.BF16) return [.. numbers.SelectMany(x => BitConverter.GetBytes(ToBFloat16(BitConverter.SingleToUInt32Bits(x))))];
        var bytes = new List<byte>();
        foreach (float[] block in numbers.Chunk(32))
        {
            float scale = block.Max(MathF.Abs) / 127;
            float inverse = scale != 0 ? 1 / scale : 0;
            bytes.AddRange(BitConverter.GetBytes((Half)scale));
            bytes.AddRange(block.Select(x => unchecked((byte)(sbyte)MathF.Round(x * inverse, MidpointRounding.AwayFromZero))));
        }

        return [.. bytes];
    }

    /// <summary>The upper half of the bits, ties to even.</summary>
    private static ushort ToBFloat16(uint bits) => (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);

    private static float[] Read(ElementType type, byte[] bytes)
    {
        float[] scratch = new float[Count];
        fixed (float* target = scratch)
        {
            fixed (byte* source = bytes) return new Span<float>(KvRows.Read(type, source, target, Count), Count).ToArray();
        }
    }
}
