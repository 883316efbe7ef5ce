using Llama.Grains.Settings;

namespace Llama.Grains.Tests.Settings;

public sealed class NearestNameTests
{
    private static readonly string[] Known = ["--port", "--replicas", "--recovery-timeout", "k", "kv"];

    [Theory]
    [InlineData("--prot", "--port")]
    [InlineData("--Replica", "--replicas")]
    [InlineData("--recover-timout", "--recovery-timeout")]
    [InlineData("--bananas", null)]
    [InlineData("n", null)]
    [InlineData("", null)]
    public void Find_Name_ReturnsASimilarOneOrNull(string name, string? expected) => Assert.Equal(expected, NearestName.Find(name, Known));

    [Fact]
    public void Find_NameOfAMegabyte_ReturnsNullAtOnce() => Assert.Null(NearestName.Find(new string('p', 1 << 20), [.. Enumerable.Repeat("--port", 10_000)]));

    [Fact]
    public void Find_NothingKnown_ReturnsNull() => Assert.Null(NearestName.Find("--port", []));
}
