using System.Buffers.Binary;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Tests.Weights.Quantization;

public unsafe class BlockRowsTests
{
    public static TheoryData<ElementType, int[]> BlockTypes => new()
    {
        { ElementType.Q4_0, [0] },
        { ElementType.Q4_1, [0, 2] },
        { ElementType.Q5_0, [0] },
        { ElementType.Q5_1, [0, 2] },
        { ElementType.Q8_0, [0] },
        { ElementType.Q4_K, [0, 2] },
        { ElementType.Q5_K, [0, 2] },
        { ElementType.Q6_K, [208] },
    };

    [Theory]
    [MemberData(nameof(BlockTypes))]
    public void Dequantize_RandomBlocks_IsTheNumberOfTheDefinition(ElementType type, int[] halves)
    {
        const int Blocks = 200;
        var random = new Random(3);
        byte[] source = new byte[Blocks * type.BlockBytes()];
        random.NextBytes(source);
        for (int block = 0; block < Blocks; block++)
        {
            // Any finite scale, denormal ones among them.
            foreach (int offset in halves)
            {
                int sign = random.Next(2) << 15;
                BinaryPrimitives.WriteUInt16LittleEndian(source.AsSpan((block * type.BlockBytes()) + offset), (ushort)(random.Next(0x7c00) | sign));
            }
        }

        float[] found = Dequantize(type, source);

        Assert.Equal(Blocks * type.BlockElements(), found.Length);
        for (int i = 0; i < found.Length; i++)
        {
            (int block, int element) = Math.DivRem(i, type.BlockElements());
            float expected = ReferenceBlocks.Element(type, source.AsSpan(block * type.BlockBytes(), type.BlockBytes()), element);
            Assert.True(expected == found[i], $"block {block}, element {element}: {found[i]:R} for {expected:R}");
        }
    }

    [Fact]
    public void Dequantize_Q4_0ByHand_HasLowNibblesFirst()
    {
        // d = 0.5; bytes 0x10, 0x32, …: low nibbles 0, 2, 4, …, high nibbles 1, 3, 5, ….
        byte[] block = [0x00, 0x38, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe, 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe];
        float[] found = Dequantize(ElementType.Q4_0, block);
        Assert.Equal([-4, -3, -2, -1, 0, 1, 2, 3], found[..8]);
        Assert.Equal([-3.5f, -2.5f, -1.5f, -0.5f, 0.5f, 1.5f, 2.5f, 3.5f], found[16..24]);
    }

    [Fact]
    public void Dequantize_Q6_KByHand_CentresOnThirtyTwo()
    {
        // d = 1, all scales 2, all elements zero before the centre is taken away.
        byte[] block = new byte[210];
        block.AsSpan(192, 16).Fill(2);
        block[209] = 0x3c;
        Assert.All(Dequantize(ElementType.Q6_K, block), value => Assert.Equal(-64, value));
    }

    internal static float[] Dequantize(ElementType type, byte[] blocks)
    {
        float[] target = new float[blocks.Length / type.BlockBytes() * type.BlockElements()];
        fixed (byte* source = blocks)
        fixed (float* values = target) BlockRows.Dequantize(type, source, values, target.Length);
        return target;
    }
}
