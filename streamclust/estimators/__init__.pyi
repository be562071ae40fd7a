from .kmeans import StreamingKMeans as StreamingKMeans
from .knn_outliers import KNNOutlierDetector as KNNOutlierDetector
from .pca import IncrementalPCA as IncrementalPCA
from .spread import largest_spread as largest_spread
