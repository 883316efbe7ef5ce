using Llama.Model.Sampling;

namespace Llama.Model.Tests.Sampling;

public sealed class UniformNumberTests
{
    // From another implementation: a generation must be repeatable by every later version.
    [Theory]
    [InlineData(0, 0, 0.8833108082136426)]
    [InlineData(0, 1, 0.43152799704850997)]
    [InlineData(1, 0, 0.7497482413580301)]
    [InlineData(42, 0, 0.5961188718302076)]
    [InlineData(42, 131_071, 0.05002669525948511)]
    [InlineData(ulong.MaxValue, int.MaxValue, 0.4633207737599515)]
    public void At_SeedAndPosition_IsForeverTheSame(ulong seed, int position, double expected) =>
        Assert.Equal(expected, UniformNumber.At(seed, position));

    [Fact]
    public void At_PositionsAndSeeds_AreSpreadEvenlyAndIndependent()
    {
        // Pairs of neighbours, in position and in seed, fall evenly into the 16 × 16 squares of the unit square.
        const int Count = 65_536;
        int[] positions = new int[256];
        int[] seeds = new int[256];
        for (int i = 0; i < Count; i++)
        {
            positions[Square(UniformNumber.At(5, 2 * i), UniformNumber.At(5, (2 * i) + 1))]++;
            seeds[Square(UniformNumber.At((ulong)(2 * i), 9), UniformNumber.At((ulong)((2 * i) + 1), 9))]++;
        }

        // 255 degrees of freedom: mean 255, deviation 22.6.
        Assert.InRange(ChiSquare(positions), 150, 370);
        Assert.InRange(ChiSquare(seeds), 150, 370);

        static int Square(double x, double y)
        {
            Assert.InRange(x, 0, Math.BitDecrement(1));
            return ((int)(x * 16) * 16) + (int)(y * 16);
        }

        static double ChiSquare(int[] counts) => counts.Sum(c => Math.Pow(c - (Count / 256.0), 2) / (Count / 256.0));
    }

    [Fact]
    public void At_SeedsOfNeighbours_AreNotTheSameSequenceShifted()
    {
        HashSet<double> numbers = [];
        for (ulong seed = 0; seed < 100; seed++)
        {
            for (int position = 0; position < 100; position++) Assert.True(numbers.Add(UniformNumber.At(seed, position)));
        }
    }
}
