using Llama.Grains.Silos;

namespace Llama.Grains.Tests.Silos;

public sealed class NaturalOrderTests
{
    [Theory]
    [InlineData("silo-2", "silo-10")]
    [InlineData("silo-9", "silo-10")]
    [InlineData("silo-1a", "silo-1b")]
    [InlineData("silo-1", "silo-1a")]
    [InlineData("a2b3", "a2b10")]
    [InlineData("", "a")]
    [InlineData("1", "a")]
    [InlineData("silo-99999999999999999999", "silo-100000000000000000000")]
    [InlineData("silo-02", "silo-2")]
    [InlineData("silo-02", "silo-10")]
    public void Compare_NumbersInNames_CountByTheirValue(string lower, string higher)
    {
        Assert.True(NaturalOrder.Instance.Compare(lower, higher) < 0);
        Assert.True(NaturalOrder.Instance.Compare(higher, lower) > 0);
        Assert.Equal(0, NaturalOrder.Instance.Compare(lower, lower));
    }

    [Fact]
    public void Compare_AnyNames_IsATotalOrder()
    {
        var random = new Random(2);
        string[] names =
            [.. Enumerable.Range(0, 60).Select(_ => new string(random.GetItems<char>("019ab-", random.Next(5)))).Distinct()];
        foreach (string a in names)
        {
            foreach (string b in names)
            {
                int order = Math.Sign(NaturalOrder.Instance.Compare(a, b));
                Assert.Equal(-order, Math.Sign(NaturalOrder.Instance.Compare(b, a)));
                Assert.Equal(a == b, order == 0);
                foreach (string c in names)
                {
                    if (order < 0 && NaturalOrder.Instance.Compare(b, c) < 0)
                        Assert.True(NaturalOrder.Instance.Compare(a, c) < 0, $"{a} {b} {c}");
                }
            }
        }
    }
}
