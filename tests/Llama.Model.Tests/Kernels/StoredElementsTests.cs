using System.Runtime.Intrinsics;
using Llama.Model.Kernels;

namespace Llama.Model.Tests.Kernels;

public sealed unsafe class StoredElementsTests
{
    [Fact]
    public void LoadF16_EveryFiniteHalf_IsTheSameNumberAndTheOthersAreBeyondThem()
    {
        ushort[] words = AllWords();
        float[] loaded = Convert<F16Elements>(words);
        for (int i = 0; i < words.Length; i++)
        {
            Half half = BitConverter.UInt16BitsToHalf(words[i]);
            if (Half.IsFinite(half)) Assert.Equal(BitConverter.SingleToUInt32Bits((float)half), BitConverter.SingleToUInt32Bits(loaded[i]));
            else Assert.InRange(MathF.Abs(loaded[i]), 65_536, 131_072);
        }
    }

    [Fact]
    public void LoadBF16_EveryNumber_IsTheSameNumber()
    {
        ushort[] words = AllWords();
        float[] loaded = Convert<BF16Elements>(words);
        for (int i = 0; i < words.Length; i++) Assert.Equal((uint)words[i] << 16, BitConverter.SingleToUInt32Bits(loaded[i]));
    }

    [Fact]
    public void LoadF32_AnyBits_AreKept()
    {
        uint[] bits = [0, 0x80000000, 1, 0x7f800000, 0xff800000, 0x7fc00001, 0x3f800000, 0x00800000];
        fixed (uint* source = bits)
            Assert.Equal(Vector256.Create<uint>(bits), F32Elements.Load((byte*)source).AsUInt32());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(21)]
    public void Convert_AnyCountAtAnOddAddress_WritesThatManyAndNothingElse(int count)
    {
        byte[] bytes = new byte[1 + (count * 2)];
        for (int i = 0; i < count; i++) BitConverter.TryWriteBytes(bytes.AsSpan(1 + (i * 2)), (Half)(i + 0.5f));
        float[] target = [.. Enumerable.Repeat(-1f, count + 8)];
        fixed (byte* source = bytes)
        fixed (float* pointer = target) StoredElements.Convert<F16Elements>(source + 1, pointer, count);
        for (int i = 0; i < target.Length; i++) Assert.Equal(i < count ? i + 0.5f : -1, target[i]);
    }

    [Fact]
    public void LoadPartial_EveryCount_LeavesTheOtherLanesZero()
    {
        ushort[] ones = [.. Enumerable.Repeat((ushort)0x3f80, 8)];
        for (int count = 0; count < 8; count++)
        {
            fixed (ushort* source = ones)
            {
                Vector256<float> loaded = StoredElements.LoadPartial<BF16Elements>((byte*)source, count);
                for (int lane = 0; lane < 8; lane++) Assert.Equal(lane < count ? 1 : 0, loaded.GetElement(lane));
            }
        }
    }

    private static ushort[] AllWords() => [.. Enumerable.Range(0, 65_536).Select(i => (ushort)i)];

    private static float[] Convert<T>(ushort[] words)
        where T : struct, IStoredElements
    {
        float[] loaded = new float[words.Length];
        fixed (ushort* source = words)
        fixed (float* target = loaded) StoredElements.Convert<T>((byte*)source, target, words.Length);
        return loaded;
    }
}
