using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Weights.Quantization;

/// <summary>
/// Every type of blocks against ggml's <c>dequantize_row_*</c>: blocks whose numbers it gave (ggml-blocks.json), and random ones where the
/// variable <c>LLAMA_GGML</c> names its library, <c>libggml-base.so</c> of the npm package node-llama-cpp.
/// </summary>
public sealed unsafe class GgmlBlocksTests
{
    /// <summary>Names the library.</summary>
    public const string Variable = "LLAMA_GGML";
    private static readonly string GoldenBlocks =
        Path.Combine(TestPaths.Root, "tests", "Llama.Model.Tests", "Weights", "Quantization", "ggml-blocks.json");

    public static TheoryData<ElementType> Types => [.. Enum.GetValues<ElementType>().Where(type => type.BlockElements() > 1)];

    [Theory]
    [MemberData(nameof(Types))]
    public void Dequantize_GoldenBlocks_HaveGgmlsBitsButForTheSignOfZero(ElementType type)
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(GoldenBlocks));
        JsonElement items = golden.RootElement.GetProperty($"{type}");
        Assert.True(items.GetArrayLength() >= 2);
        foreach (JsonElement item in items.EnumerateArray())
        {
            byte[] block = Convert.FromHexString(item.GetProperty("block").GetString()!);
            AreSame(item.GetProperty("values").GetBytesFromBase64(), BlockRowsTests.Dequantize(type, block));
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Dequantize_RandomBlocks_HaveGgmlsBitsButForTheSignOfZero(ElementType type)
    {
        nint library = Library();
        string name = $"{type}".StartsWith('Q') ? "q" + $"{type}"[1..] : $"{type}".ToLowerInvariant();
        var dequantize = (delegate* unmanaged<byte*, float*, long, void>)NativeLibrary.GetExport(library, $"dequantize_row_{name}");
        const int Blocks = 2000;
        byte[] blocks = new byte[Blocks * type.BlockBytes()];
        new Random((int)type).NextBytes(blocks);
        foreach (int place in Scales(type))
        {
            // Finite ones: of infinities and of what is no number, the bits are nobody's concern.
            for (int at = place; at < blocks.Length; at += type.BlockBytes())
                BinaryPrimitives.WriteUInt16LittleEndian(blocks.AsSpan(at), (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(blocks.AsSpan(at)) & 0xbfff));
        }

        float[] expected = new float[Blocks * type.BlockElements()];
        fixed (byte* source = blocks)
        fixed (float* target = expected) dequantize(source, target, expected.Length);
        AreSame(MemoryMarshal.AsBytes(expected.AsSpan()), BlockRowsTests.Dequantize(type, blocks));
    }

    /// <summary>ggml's library; the test is skipped where there is none.</summary>
    internal static nint Library()
    {
        string? path = Environment.GetEnvironmentVariable(Variable);
        Assert.SkipWhen(path is null, $"{Variable} names no libggml-base");
        return NativeLibrary.Load(path!);
    }

    /// <summary>Where half-precision numbers lie; IQ1_M's is in nibbles, whose highest one is in the last word.</summary>
    private static int[] Scales(ElementType type) => type switch
    {
        ElementType.Q4_1 or ElementType.Q5_1 or ElementType.Q4_K or ElementType.Q5_K => [0, 2],
        ElementType.Q6_K => [208],
        ElementType.Q2_K => [80, 82],
        ElementType.Q3_K => [108],
        ElementType.TQ1_0 => [52],
        ElementType.TQ2_0 => [64],
        ElementType.IQ1_M => [54],
        ElementType.MXFP4 => [],
        _ => [0],
    };

    private static void AreSame(ReadOnlySpan<byte> expected, float[] found)
    {
        ReadOnlySpan<int> bits = MemoryMarshal.Cast<byte, int>(expected);
        Assert.Equal(bits.Length, found.Length);
        for (int i = 0; i < found.Length; i++)
        {
            Assert.True(
                bits[i] == BitConverter.SingleToInt32Bits(found[i]) || (found[i] == 0 && BitConverter.Int32BitsToSingle(bits[i]) == 0),
                $"element {i}: {found[i]:R}, not {BitConverter.Int32BitsToSingle(bits[i]):R}");
        }
    }
}
