using Llama.Model.Kernels;

namespace Llama.Model.Tests.Kernels;

public sealed unsafe class ElementwiseTests
{
    [Fact]
    public void SiluMultiply_AnySlice_HasTheBitsOfTheWhole()
    {
        var random = new Random(1);
        float[] gate = [.. Enumerable.Range(0, 64).Select(_ => (float)((random.NextDouble() * 20) - 10))];
        float[] up = [.. Enumerable.Range(0, 64).Select(_ => (float)((random.NextDouble() * 4) - 2))];
        float[] whole = [.. gate];
        fixed (float* g = whole, u = up) Elementwise.SiluMultiply(g, u, 64);
        foreach (int cut in (int[])[1, 4, 12, 20, 63])
        {
            float[] sliced = [.. gate];
            fixed (float* g = sliced, u = up)
            {
                Elementwise.SiluMultiply(g, u, cut);
                Elementwise.SiluMultiply(g + cut, u + cut, 64 - cut);
            }

            Assert.Equal(whole, sliced);
        }
    }
}
