using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Weights.Quantization;

// Blocks of 32 elements (ggml-common.h: block_q4_0 to block_q8_0). All begin with a scale d in half precision; those of four and five
// bits keep element i and element i + 16 in the lower and upper half of byte i.

/// <summary>d; 16 bytes of nibbles: (n - 8) × d.</summary>
internal readonly unsafe struct Q4_0Block : IBlockFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q4_0;

    /// <inheritdoc/>
    public static void Dequantize(byte* block, float* target)
    {
        float scale = SmallIntegers.Half(block);
        Vector128<byte> bytes = Vector128.Load(block + 2);
        Vector128<sbyte> middle = Vector128.Create((sbyte)8);
        SmallIntegers.Store(SmallIntegers.Low(bytes).AsSByte() - middle, scale, target);
        SmallIntegers.Store(SmallIntegers.High(bytes).AsSByte() - middle, scale, target + 16);
    }
}

/// <summary>d; minimum m in half precision; 16 bytes of nibbles: n × d + m.</summary>
internal readonly unsafe struct Q4_1Block : IBlockFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q4_1;

    /// <inheritdoc/>
    public static void Dequantize(byte* block, float* target)
    {
        float scale = SmallIntegers.Half(block), minimum = SmallIntegers.Half(block + 2);
        Vector128<byte> bytes = Vector128.Load(block + 4);
        SmallIntegers.Store(SmallIntegers.Low(bytes), scale, minimum, target);
        SmallIntegers.Store(SmallIntegers.High(bytes), scale, minimum, target + 16);
    }
}

/// <summary>d; 32 fifth bits, element 0 lowest; 16 bytes of nibbles: (n - 16) × d.</summary>
internal readonly unsafe struct Q5_0Block : IBlockFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q5_0;

    /// <inheritdoc/>
    public static void Dequantize(byte* block, float* target)
    {
        float scale = SmallIntegers.Half(block);
        uint fifth = Unsafe.ReadUnaligned<uint>(block + 2);
        Vector128<byte> bytes = Vector128.Load(block + 6);
        Vector128<sbyte> middle = Vector128.Create((sbyte)16);
        SmallIntegers.Store((SmallIntegers.Low(bytes) | SmallIntegers.Fifth((ushort)fifth)).AsSByte() - middle, scale, target);
        SmallIntegers.Store(
            (SmallIntegers.High(bytes) | SmallIntegers.Fifth((ushort)(fifth >> 16))).AsSByte() - middle, scale, target + 16);
    }
}

/// <summary>d; minimum m in half precision; 32 fifth bits; 16 bytes of nibbles: n × d + m.</summary>
internal readonly unsafe struct Q5_1Block : IBlockFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q5_1;

    /// <inheritdoc/>
    public static void Dequantize(byte* block, float* target)
    {
        float scale = SmallIntegers.Half(block), minimum = SmallIntegers.Half(block + 2);
        uint fifth = Unsafe.ReadUnaligned<uint>(block + 4);
        Vector128<byte> bytes = Vector128.Load(block + 8);
        SmallIntegers.Store(SmallIntegers.Low(bytes) | SmallIntegers.Fifth((ushort)fifth), scale, minimum, target);
        SmallIntegers.Store(SmallIntegers.High(bytes) | SmallIntegers.Fifth((ushort)(fifth >> 16)), scale, minimum, target + 16);
    }
}

/// <summary>d; 32 signed bytes: b × d.</summary>
internal readonly unsafe struct Q8_0Block : IBlockFormat
{
    /// <inheritdoc/>
    public static ElementType Type => ElementType.Q8_0;

    /// <inheritdoc/>
    public static void Dequantize(byte* block, float* target)
    {
        float scale = SmallIntegers.Half(block);
        SmallIntegers.Store(Vector128.Load((sbyte*)block + 2), scale, target);
        SmallIntegers.Store(Vector128.Load((sbyte*)block + 18), scale, target + 16);
    }
}
