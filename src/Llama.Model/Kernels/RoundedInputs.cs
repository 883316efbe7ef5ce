using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Inputs of a matrix product rounded to bytes, for weights stored in blocks: every 32 elements share a scale, the greatest magnitude
/// becomes 127. The bytes are there a second time as 16-bit integers, the form in which several tokens' inputs meet the weights.
/// </summary>
internal sealed unsafe class RoundedInputs : IDisposable
{
    /// <summary>Elements that share a scale.</summary>
    public const int BlockElements = BlockRows.PartElements;

    private readonly NativeBuffer bytes;
    private readonly NativeBuffer words;
    private readonly NativeBuffer scales;
    private readonly NativeBuffer sums;

    /// <summary>Makes room.</summary>
    /// <param name="tokens">Most vectors.</param>
    /// <param name="columns">Most elements of a vector.</param>
    public RoundedInputs(int tokens, int columns)
    {
        long elements = (long)tokens * columns;
        bytes = new NativeBuffer((elements / sizeof(float)) + 1);
        words = new NativeBuffer((elements / 2) + 1);
        scales = new NativeBuffer((elements / BlockElements) + 1);
        sums = new NativeBuffer((elements / BlockElements) + 1);
    }

    /// <summary>Elements of a vector: whole blocks.</summary>
    public int Columns { get; private set; }

    /// <summary>Blocks of a vector.</summary>
    public int Blocks => Columns / BlockElements;

    /// <summary>Whether products with weights of this type take rounded inputs.</summary>
    public static bool Suits(ElementType type) => type.BlockElements() > 1;

    /// <summary>Sets the length of all vectors that follow.</summary>
    /// <param name="columns">A multiple of 32.</param>
    public void Reset(int columns) => Columns = columns;

    /// <summary>The bytes of a vector.</summary>
    public sbyte* Bytes(int token) => (sbyte*)bytes.Pointer + ((long)token * Columns);

    /// <summary>The same as 16-bit integers.</summary>
    public short* Words(int token) => (short*)words.Pointer + ((long)token * Columns);

    /// <summary>The scale of each block of a vector.</summary>
    public float* Scales(int token) => scales.Pointer + ((long)token * Blocks);

    /// <summary>The scaled sum of each block of a vector.</summary>
    public float* Sums(int token) => sums.Pointer + ((long)token * Blocks);

    /// <summary>Rounds one vector, to nearest, ties to even.</summary>
    /// <param name="token">Its place.</param>
    /// <param name="source"><see cref="Columns"/> numbers.</param>
    public void Round(int token, float* source)
    {
        sbyte* byteTarget = Bytes(token);
        short* wordTarget = Words(token);
        float* scaleTarget = Scales(token);
        float* sumTarget = Sums(token);
        for (int block = 0; block < Blocks; block++, source += BlockElements, byteTarget += BlockElements, wordTarget += BlockElements)
        {
            Vector256<float> x0 = Vector256.Load(source), x1 = Vector256.Load(source + 8);
            Vector256<float> x2 = Vector256.Load(source + 16), x3 = Vector256.Load(source + 24);

            // Magnitudes as integers have the order of the numbers, and what is no number is above all: the scale becomes it, too.
            Vector256<int> greatest = Vector256.Max(
                Vector256.Max(Magnitude(x0), Magnitude(x1)), Vector256.Max(Magnitude(x2), Magnitude(x3)));
            float magnitude = BitConverter.Int32BitsToSingle(Lanes.Max(greatest));
            float scale = magnitude / 127;

            // The reciprocal of a magnitude below 2^-120 could be infinite: that small, numbers are zero.
            float inverse = magnitude > 1e-36f ? 127 / magnitude : 0;
            Vector256<float> factor = Vector256.Create(inverse);
            Vector256<int> i0 = Nearest(x0 * factor), i1 = Nearest(x1 * factor), i2 = Nearest(x2 * factor), i3 = Nearest(x3 * factor);
            Vector256<short> first = Vector256.Narrow(i0, i1), second = Vector256.Narrow(i2, i3);
            first.Store(wordTarget);
            second.Store(wordTarget + 16);
            Vector256.Narrow(first, second).Store(byteTarget);
            scaleTarget[block] = scale;
            sumTarget[block] = scale * Vector256.Sum(i0 + i1 + i2 + i3);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        bytes.Dispose();
        words.Dispose();
        scales.Dispose();
        sums.Dispose();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Magnitude(Vector256<float> x) => x.AsInt32() & Vector256.Create(0x7fffffff);

    /// <summary>
    /// Adding 1.5 × 2^23 leaves the rounded integer in the low bits. Only the lowest byte counts, so that whatever comes of a number that
    /// is none stays within its range.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Nearest(Vector256<float> x)
    {
        Vector256<int> bits = (x + Vector256.Create(12582912f)).AsInt32();
        return Vector256.Max((bits << 24) >> 24, Vector256.Create(-127));
    }
}
