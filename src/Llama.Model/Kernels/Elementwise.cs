using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Kernels;

/// <summary>Element-wise parts of a layer.</summary>
internal static unsafe class Elementwise
{
    /// <summary>
    /// RMSNorm (Zhang and Sennrich, 2019): <c>target[i] = source[i] / sqrt(mean(source²) + eps) × weights[i]</c>.
    /// </summary>
    public static void RmsNorm(float* source, float* weights, float eps, float* target, int count)
    {
        float scale = 1 / MathF.Sqrt((Lanes.Dot(source, source, count) / count) + eps);
        Vector256<float> scales = Vector256.Create(scale);
        int i = 0;
        for (; i <= count - Lanes.Count; i += Lanes.Count)
            (Vector256.Load(source + i) * scales * Vector256.Load(weights + i)).Store(target + i);
        for (; i < count; i++) target[i] = source[i] * scale * weights[i];
    }

    /// <summary>SwiGLU (Shazeer, 2020): <c>gate[i] = gate[i] / (1 + e^-gate[i]) × up[i]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void SiluMultiply(float* gate, float* up, int count)
    {
        int i = 0;
        for (; Instructions.AreWide && i <= count - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            Vector512<float> x = Vector512.Load(gate + i);
            (x / (Vector512<float>.One + Exponential.Exp(-x)) * Vector512.Load(up + i)).Store(gate + i);
        }

        for (; i <= count - Lanes.Count; i += Lanes.Count)
            SiluMultiply(Vector256.Load(gate + i), Vector256.Load(up + i)).Store(gate + i);
        if (i < count)
        {
            int rest = count - i;
            Lanes.StorePartial(SiluMultiply(Lanes.LoadPartial(gate + i, rest), Lanes.LoadPartial(up + i, rest)), gate + i, rest);
        }
    }

    /// <summary><c>target[i] += source[i]</c>.</summary>
    public static void Add(float* target, float* source, int count)
    {
        int i = 0;
        for (; i <= count - Lanes.Count; i += Lanes.Count) (Vector256.Load(target + i) + Vector256.Load(source + i)).Store(target + i);
        for (; i < count; i++) target[i] += source[i];
    }

    /// <summary><c>values[i] *= factor</c>.</summary>
    public static void Scale(float* values, float factor, int count)
    {
        Vector256<float> factors = Vector256.Create(factor);
        int i = 0;
        for (; i <= count - Lanes.Count; i += Lanes.Count) (Vector256.Load(values + i) * factors).Store(values + i);
        for (; i < count; i++) values[i] *= factor;
    }

    private static Vector256<float> SiluMultiply(Vector256<float> gate, Vector256<float> up) =>
        gate / (Vector256<float>.One + Exponential.Exp(-gate)) * up;
}
