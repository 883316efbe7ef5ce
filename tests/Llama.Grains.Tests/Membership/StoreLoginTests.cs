using Llama.Grains.Membership;
using Llama.Tests;

namespace Llama.Grains.Tests.Membership;

public sealed class StoreLoginTests
{
    [Fact]
    public void Load_File_GivesUserAndPassword()
    {
        using var folder = new TemporaryFolder();
        Assert.Equal(new StoreLogin("root", "pass:word"), StoreLogin.Load(folder.Write("login", " root:pass:word\n")));
    }

    [Theory]
    [InlineData("root")]
    [InlineData(":word")]
    [InlineData("")]
    public void Load_FileWithoutBoth_SaysWhatIsExpectedAndNotWhatItHolds(string content)
    {
        using var folder = new TemporaryFolder();
        string file = folder.Write("login", content);
        InvalidDataException fault = Assert.Throws<InvalidDataException>(() => StoreLogin.Load(file));
        Assert.Equal($"--cluster-login-file: '{file}' holds no user and password; expected user:password", fault.Message);
    }

    [Fact]
    public void Load_NoFile_NamesIt()
    {
        InvalidDataException fault = Assert.Throws<InvalidDataException>(() => StoreLogin.Load("/nowhere/login"));
        Assert.StartsWith("--cluster-login-file: '/nowhere/login' cannot be read: ", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ToString_Login_HidesThePassword() =>
        Assert.DoesNotContain("word", new StoreLogin("root", "word").ToString(), StringComparison.Ordinal);
}
