using System.Text;
using Llama.Model.Checkpoints.Files;

namespace Llama.Model.Checkpoints.Meta;

/// <summary>
/// A <c>.pth</c> file as <c>torch.save</c> writes it since PyTorch 1.6: a zip file with <c>NAME/data.pkl</c>, a pickled dictionary of
/// tensors, and their elements in <c>NAME/data/KEY</c>, used where they lie.
/// </summary>
internal sealed class TorchFile : IDisposable
{
    private const string PickleEntry = "/data.pkl";

    private readonly MappedFile file;
    private readonly ZipDirectory zip;
    private readonly string folder;
    private readonly IReadOnlyDictionary<string, object?> items;

    /// <summary>Maps a file and reads its dictionary.</summary>
    /// <exception cref="CheckpointException">It is missing, cut off, damaged, or holds more than tensors.</exception>
    public TorchFile(string path)
    {
        file = new MappedFile(path);
        try
        {
            zip = new ZipDirectory(file);
            string[] pickles = [.. zip.Names.Where(name => name.EndsWith(PickleEntry, StringComparison.Ordinal)).Take(2)];
            if (pickles.Length != 1)
            {
                string found = pickles.Length == 0 ? "no" : "more than one";
                throw new CheckpointException($"{path}: found {found} entry …{PickleEntry}, expected one");
            }

            folder = pickles[0][..^PickleEntry.Length];
            string order = zip.Locate(folder + "/byteorder") is null ? "little" : Encoding.ASCII.GetString(Read("/byteorder", 16));
            if (order != "little") throw new CheckpointException($"{path}: found byte order {Excerpt.Of(order)}, expected little");
            string pickle = $"{path}: {Excerpt.Of(pickles[0])}";
            object? value = Unpickler.Load(Read(PickleEntry, Unpickler.LargestPickle), pickle);
            items = (value as PickledDictionary)?.Items
                ?? throw new CheckpointException($"{pickle}: found another value, expected a dictionary of tensors");
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The file's path.</summary>
    public string Path => file.Path;

    /// <summary>The names of all tensors, and of whatever else the dictionary holds.</summary>
    public IEnumerable<string> Names => items.Keys;

    /// <summary>A tensor, or null if there is none of this name.</summary>
    /// <exception cref="CheckpointException">It has gaps between its elements, or they do not lie in the file.</exception>
    public StoredTensor? Find(string name)
    {
        if (!items.TryGetValue(name, out object? item)) return null;
        TorchTensor tensor = item as TorchTensor ?? throw Fault(name, "found a value that is no tensor");
        TorchStorage storage = tensor.Storage;
        (long offset, long bytes) = zip.Locate($"{folder}/data/{storage.Key}")
            ?? throw Fault(name, $"its elements should lie in entry data/{Excerpt.Of(storage.Key)}, which is not there");
        if (bytes / storage.Type.ElementBytes != storage.Elements || bytes % storage.Type.ElementBytes != 0)
        {
            throw Fault(
                name,
                $"found {bytes} bytes in entry data/{Excerpt.Of(storage.Key)}, "
                + $"expected {storage.Elements} elements of {storage.Type.Name}");
        }

        string shape = StoredTensor.Text(tensor.Shape);
        if (!IsContiguous(tensor))
            throw Fault(name, $"found strides {StoredTensor.Text(tensor.Strides)} for shape {shape}, expected rows without gaps");
        long? tensorBytes = StoredTensor.Bytes(tensor.Shape, storage.Type.ElementBytes);
        if (tensor.Offset > storage.Elements || tensorBytes is null || tensorBytes > bytes - (tensor.Offset * storage.Type.ElementBytes))
            throw Fault(name, $"found shape {shape} from element {tensor.Offset} of a storage of {storage.Elements} elements");

        long at = offset + (tensor.Offset * storage.Type.ElementBytes);
        nint data = file.Address(at, tensorBytes.Value, $"tensor {name}");
        return new StoredTensor(name, Path, storage.Type.Name, tensor.Shape, data)
        {
            Offset = at,
            IsHere = file.Holds(at, tensorBytes.Value),
        };
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private ReadOnlySpan<byte> Read(string entry, int most)
    {
        (long offset, long bytes) = zip.Locate(folder + entry)!.Value;
        if (bytes > most)
            throw new CheckpointException($"{Path}: found {bytes} bytes in entry {Excerpt.Of(folder)}{entry}, expected at most {most}");
        return file.Span(offset, (int)bytes, entry);
    }

    private static bool IsContiguous(TorchTensor tensor)
    {
        UInt128 expected = 1;
        for (int i = tensor.Shape.Length - 1; i >= 0; i--)
        {
            if (tensor.Shape[i] != 1 && (UInt128)tensor.Strides[i] != expected) return false;
            expected *= (UInt128)tensor.Shape[i];
        }

        return true;
    }

    private CheckpointException Fault(string name, string found) => new($"{Path}: tensor {name}: {found}");
}
